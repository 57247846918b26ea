// Takes stacks. Walks by unwind rows (rows.h) with a cache per thread; by the frame-pointer chain
// through V8's code; and through other code without rows by reading it (recover.h), else not at all: a
// frame pointer that nobody promises leads to frames that were never active.
//
// Verified reuse: the thread's last stack is kept with every word that its walk read. When a new
// walk reaches a frame of it (same stack pointer, return address and rbp) and all words from there
// to the root are still the same, the rest is the same stack, and its id is known. Nothing is
// assumed and nothing is written to the program's stack.
//
// Allowed here: no allocation, no locks (misses may take the module table's), no large locals (a
// coroutine's stack may have 4 KiB).
#ifndef MEMPROF_UNWIND_WALK_H
#define MEMPROF_UNWIND_WALK_H

#include "../base.h"
#include "../wire.h"
#include "rows.h"

namespace mp::unwind {

struct Buffers;

struct Range {
  uintptr_t low, high;
};

constexpr uint32_t kOtherStacks = 4;

struct Walker {
  Buffers* buffers;  // row cache, kept stack, scratch
  Range stack;       // the thread's own, as far as it was met
  uintptr_t controlBlock;
  uint32_t root;  // the node that this thread's stacks hang from: 0, or the stack that queued its work
  Range other[kOtherStacks];  // signal and coroutine stacks met before
  uint32_t otherNext;
  uint32_t changes;     // of everything: the two below are asked only when it has changed
  uint32_t generation;  // of modules: rows and kept stack are void when it changes
  uint32_t codeEpoch;   // of jit: the kept stack is void when an address may name other code
  uint32_t segmentAge;  // raised when the leaf ends of earlier stacks are void
  // How many of the last walks they spared. Where few, they are left alone for a while: a look at one
  // costs a cache miss.
  uint32_t segmentHits;
  uint32_t segmentPeriod;
  // Not yet added to the process's counters: a shared counter in every walk would be felt.
  uint32_t victim;  // which way of a full set is replaced next
  uint32_t takenCount;
  uint32_t reusedCount;
};

// False: no memory.
bool prepare(Walker& walker);
void release(Walker& walker);
// A new thread takes the walker over: rows stay, the kept stack goes.
void forget(Walker& walker);
// controlBlock: what pthread_self gives. It lies at the upper end of the stack of every thread but
// the first. (pthread_getattr_np would say more, but takes a lock that the thread may hold.)
void begin_thread(Walker& walker, uintptr_t controlBlock);

// The stacks of this thread end at the stack that queued its work (0: they end where they end).
void set_queued_from(Walker& walker, uint32_t stack);

// Where a hook was entered: the frame pointer of the hook's own frame.
struct Entry {
  uintptr_t framePointer;
};

// The stack id of the hook's caller.
uint32_t take(Walker& walker, Entry entry);
// The same without cache of rows or kept stack: for MEMPROF_VERIFY_STACKS and tests.
uint32_t take_slowly(Walker& walker, Entry entry);

}  // namespace mp::unwind

#endif
