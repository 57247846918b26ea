// Ground rules and smallest tools of everything that runs inside the traced process.
//
// Allowed in here and in all of interpose/ (agent/ excepted): raw system calls, atomics, plain
// structs. Not allowed: malloc or anything that may call it, stdio, exceptions, RTTI, C++ runtime
// library, function-local statics with constructors, mutexes that a signal handler could meet twice,
// changing errno.
#ifndef MEMPROF_BASE_H
#define MEMPROF_BASE_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <atomic>

#if !defined(__x86_64__) || !defined(__linux__)
#error "memprof's shim knows x86-64 Linux only so far: see interpose/os.h for what a port needs"
#endif

#define MP_EXPORT extern "C" __attribute__((visibility("default")))
#define MP_LIKELY(x) __builtin_expect(!!(x), 1)
#define MP_UNLIKELY(x) __builtin_expect(!!(x), 0)
#define MP_NOINLINE __attribute__((noinline))
#define MP_INLINE inline __attribute__((always_inline))

namespace mp {

// An instruction address and a return address are different things: a return address names the call
// before it, so every lookup by one must step back into that call.
struct ReturnAddress {
  uintptr_t value;
  // Where to look up rows and symbols: inside the call instruction.
  uintptr_t lookup() const { return value - 1; }
};

// Whole pages, zeroed; nullptr when the system has none. Never through the hooked mmap.
void* map_pages(size_t bytes);
void unmap_pages(void* address, size_t bytes);

// Raised by whatever may void a kept stack or a cached row: one word to ask at every walk, before those
// who know more are asked.
extern std::atomic<uint32_t> g_changes;
inline void note_change() { g_changes.fetch_add(1, std::memory_order_acq_rel); }

inline size_t round_up(size_t value, size_t to) { return (value + to - 1) / to * to; }

// Held for a few hundred instructions at most and never while waiting for the reader, the real
// allocator or another lock. A holder may be preempted, hence the yield.
class SpinLock {
 public:
  bool try_lock() { return flag_.exchange(1, std::memory_order_acquire) == 0; }
  void lock();
  void unlock() { flag_.store(0, std::memory_order_release); }
  // In a fork's child: the holder may be a thread that does not exist any more.
  void reset() { flag_.store(0, std::memory_order_relaxed); }

 private:
  std::atomic<uint32_t> flag_{0};
};

class Locked {
 public:
  explicit Locked(SpinLock& lock) : lock_(lock) { lock_.lock(); }
  ~Locked() { lock_.unlock(); }
  Locked(const Locked&) = delete;
  Locked& operator=(const Locked&) = delete;

 private:
  SpinLock& lock_;
};

}  // namespace mp

#endif
