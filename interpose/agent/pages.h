// Memory of the agent's own work, straight from the kernel: it is not the program's, so it must not show
// among the program's blocks, and it goes back whole. Limits are the caller's.
#ifndef MEMPROF_AGENT_PAGES_H
#define MEMPROF_AGENT_PAGES_H

#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <utility>

namespace memprof {

inline void* map_pages(size_t bytes) {
  long address =
      syscall(SYS_mmap, nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0L);
  return address == -1 ? nullptr : reinterpret_cast<void*>(address);
}
inline void unmap_pages(void* address, size_t bytes) { syscall(SYS_munmap, address, bytes); }

// A growing array of plain values. push returns false when it is full: `limit` values, or no memory.
template <typename T>
class Pages {
 public:
  explicit Pages(size_t limit = SIZE_MAX / sizeof(T)) : limit_(limit) {}
  ~Pages() {
    if (values_ != nullptr) unmap_pages(values_, capacity_ * sizeof(T));
  }
  Pages(const Pages&) = delete;
  Pages& operator=(const Pages&) = delete;

  bool push(const T& value) {
    if (count_ == capacity_ && !grow()) return false;
    values_[count_++] = value;
    return true;
  }
  T& operator[](size_t index) { return values_[index]; }
  const T& operator[](size_t index) const { return values_[index]; }
  T* begin() { return values_; }
  T* end() { return values_ + count_; }
  const T* begin() const { return values_; }
  const T* end() const { return values_ + count_; }
  size_t count() const { return count_; }
  size_t room() const { return limit_ - count_; }
  void clear() { count_ = 0; }
  // The first `count` values are not read any more: what pages they have to themselves goes back now.
  void forget(size_t count) {
    size_t bytes = count * sizeof(T) & ~(kPageBytes - 1);
    if (bytes > forgottenBytes_) {
      char* start = reinterpret_cast<char*>(values_);
      syscall(SYS_madvise, start + forgottenBytes_, bytes - forgottenBytes_, MADV_DONTNEED);
      forgottenBytes_ = bytes;
    }
  }
  void cut(size_t count) { count_ = count; }

 private:
  bool grow() {
    if (count_ >= limit_) return false;
    size_t before = capacity_ * sizeof(T);
    size_t bytes = before == 0 ? 65536 : before * 2;
    long address = before == 0 ? reinterpret_cast<long>(map_pages(bytes))
                               : syscall(SYS_mremap, values_, before, bytes, MREMAP_MAYMOVE);
    if (address == 0 || address == -1) return false;
    values_ = reinterpret_cast<T*>(address);
    capacity_ = bytes / sizeof(T);
    return true;
  }

  static constexpr size_t kPageBytes = 4096;

  T* values_ = nullptr;
  size_t count_ = 0, capacity_ = 0, forgottenBytes_ = 0, limit_;
};

// The value of a map that is a set.
struct Nothing {};

// From a word that is not 0 to a value. Open addressing; at most `limit` keys.
template <typename V>
class WordMap {
 public:
  explicit WordMap(size_t limit) : limit_(limit) {}
  ~WordMap() { release(); }
  WordMap(const WordMap&) = delete;
  WordMap& operator=(const WordMap&) = delete;

  V* find(uintptr_t key) {
    if (slots_ == nullptr) return nullptr;
    Slot* slot = place(key);
    return slot->key == key ? &slot->value : nullptr;
  }
  // The value of the key, and whether it was put there now. nullptr: full.
  V* insert(uintptr_t key, const V& value, bool* isNew) {
    *isNew = false;
    if (count_ * 2 >= capacity_ && !grow()) return nullptr;
    Slot* slot = place(key);
    if (slot->key != key) {
      *isNew = true;
      slot->key = key;
      slot->value = value;
      count_++;
    }
    return &slot->value;
  }
  size_t count() const { return count_; }
  // Empties it; its memory goes back.
  void release() {
    if (slots_ != nullptr) unmap_pages(slots_, capacity_ * sizeof(Slot));
    slots_ = nullptr;
    count_ = capacity_ = 0;
  }

 private:
  struct Slot {
    uintptr_t key;
    [[no_unique_address]] V value;
  };
  Slot* place(uintptr_t key) {
    size_t at = (key * UINT64_C(0x9e3779b97f4a7c15)) >> 20 & (capacity_ - 1);
    while (slots_[at].key != 0 && slots_[at].key != key) at = (at + 1) & (capacity_ - 1);
    return &slots_[at];
  }
  bool grow() {
    if (count_ >= limit_) return false;
    size_t oldCapacity = capacity_;
    Slot* old = slots_;
    size_t capacity = oldCapacity == 0 ? 1024 : oldCapacity * 2;
    void* pages = map_pages(capacity * sizeof(Slot));
    if (pages == nullptr) return false;
    slots_ = static_cast<Slot*>(pages);
    capacity_ = capacity;
    for (size_t i = 0; i < oldCapacity; i++) {
      if (old[i].key != 0) *place(old[i].key) = old[i];
    }
    if (old != nullptr) unmap_pages(old, oldCapacity * sizeof(Slot));
    return true;
  }
  Slot* slots_ = nullptr;
  size_t count_ = 0, capacity_ = 0, limit_;
};

}  // namespace memprof

#endif
