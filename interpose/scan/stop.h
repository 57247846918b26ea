// Stops the other threads of the process for as long as a copy of it is made, and has each save its
// registers. By a signal whose handler waits: no ptrace, so it works in containers.
//
// A thread is stopped anywhere, inside malloc too: between stop_others and release_others nothing may be
// called that takes a lock of the C library, of the program or of the shim. Threads inside the shim itself
// are let out first (they may hold its locks, and a half-written realloc would hide a block), unless that
// takes too long.
#ifndef MEMPROF_SCAN_STOP_H
#define MEMPROF_SCAN_STOP_H

#include "../base.h"

namespace mp::scan {

constexpr uint32_t kMaxThreads = 8192;

enum class Standing : uint32_t {
  kAsked = 1,
  kInside = 2,   // in the shim: asked again
  kFilling = 3,  // the handler writes its registers
  kStopped = 4,  // stands still, everything below is known
  kRunning = 5,  // did not answer in time: sp may be known from the kernel, no registers
  kGone = 6,     // ended meanwhile
};

struct Thread {
  std::atomic<uint64_t> state;  // turn << 8 | Standing
  uint32_t tid;
  uintptr_t pc, sp, rbp;              // sp 0: unknown
  uintptr_t controlBlock;             // what pthread_self gives; 0: unknown
  uintptr_t registers, registersEnd;  // saved general registers
  uintptr_t vectors, vectorsEnd;      // saved vector registers
  uintptr_t context;                  // of an interrupted system call that is begun anew; else 0
  Standing standing() const { return static_cast<Standing>(state.load(std::memory_order_acquire) & 0xff); }
};

struct Stop {
  Thread* threads;
  uint32_t count;     // threads met, those that ended meanwhile among them
  uint32_t unlisted;  // threads beyond kMaxThreads
  uint32_t stoppedCount;
  uint32_t runningCount;
};

// All signals are blocked on the calling thread, and it is the only one that stops others. False: no
// memory; then nobody was stopped.
bool stop_others(Stop* stop);
void release_others(Stop* stop);

}  // namespace mp::scan

#endif
