// Memory of the player itself: mapped, never of the allocator that is measured, and left out of what is measured.
#ifndef MEMPROF_REPLAY_OWN_H
#define MEMPROF_REPLAY_OWN_H

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

namespace replay {

constexpr size_t kPage = 4096;
constexpr int kStatusGaveUp = 3;

[[noreturn]] inline void give_up(const char* what) {
  dprintf(2, "%s\n", what);
  _exit(kStatusGaveUp);
}

[[noreturn]] inline void give_up(const char* what, int error) {
  dprintf(2, "%s: %s\n", what, strerror(error));
  _exit(kStatusGaveUp);
}

class OwnMemory {
 public:
  // With a page that nobody may touch on both sides, or the kernel would join it with an allocator's mapping.
  void* map(size_t bytes, const char* what) {
    if (count_ == kMost) give_up("the replay has too many mappings of its own");
    void* memory =
        mmap(nullptr, bytes + 2 * kPage, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) give_up(what, errno);
    auto low = reinterpret_cast<uintptr_t>(memory);
    auto* inside = static_cast<char*>(memory) + kPage;
    if (mprotect(inside, bytes, PROT_READ | PROT_WRITE) != 0) give_up(what, errno);
    ranges_[count_++] = Range{low, low + bytes + 2 * kPage};
    return inside;
  }

  void unmap(void* memory, size_t bytes) {
    auto low = reinterpret_cast<uintptr_t>(memory) - kPage;
    for (uint32_t i = 0; i < count_; ++i) {
      if (ranges_[i].low != low) continue;
      ranges_[i] = ranges_[--count_];
      munmap(reinterpret_cast<void*>(low), bytes + 2 * kPage);
      return;
    }
  }

  bool has(uintptr_t low, uintptr_t high) const {
    for (uint32_t i = 0; i < count_; ++i) {
      if (ranges_[i].low < high && low < ranges_[i].high) return true;
    }
    return false;
  }

 private:
  static constexpr uint32_t kMost = 128;
  struct Range {
    uintptr_t low, high;
  };
  Range ranges_[kMost] = {};
  uint32_t count_ = 0;
};

}  // namespace replay

#endif
