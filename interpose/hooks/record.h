// What a hook writes for an event: the order of unwinding, tick, ring and the real call is decided
// here and nowhere else.
//
//   An allocation: the real call, then the stack, then the tick. Nobody else can know the block yet.
//   A release: the tick, the record, then the real call: afterwards the address is anybody's.
//   A reallocation: the stack, a tick, the real call, a tick; then both records at once. busy is 1
//   all the time, so the reader waits for this thread, and a call that fails writes nothing.
#ifndef MEMPROF_HOOKS_RECORD_H
#define MEMPROF_HOOKS_RECORD_H

#include "../ring/thread.h"
#include "../unwind/walk.h"

namespace mp::record {

void allocation(uint32_t type, void* block, size_t sizeBytes, unwind::Entry entry);
void release(uint32_t type, void* block);

// Between the two halves of a reallocation.
struct Reallocation {
  ThreadState* state;  // nullptr: not recorded
  uint64_t tick;
  uint32_t stack;
  bool nested;
};
Reallocation begin_reallocation(unwind::Entry entry);
// block: what the real call gave, nullptr when it freed; isFailed: nothing happened.
void end_reallocation(Reallocation& under, uint32_t allocationType, void* old, void* block, size_t sizeBytes,
                      bool isFailed);

void map(void* address, size_t bytes, int protection, int flags, unwind::Entry entry);
struct Unmapping {
  ThreadState* state;
  uint64_t tick;
  bool nested;
};
Unmapping begin_unmap();
void end_unmap(Unmapping& under, void* address, size_t bytes, bool isFailed);
void remap(void* old, size_t oldBytes, void* address, size_t bytes, unwind::Entry entry);
// The program break moved since we last looked.
void heap_break(uintptr_t before, uintptr_t after, unwind::Entry entry);

// An event without a block: marks, exit, fork, thread names.
void plain(uint32_t type, const uint64_t* words, uint32_t count);
// The same with the caller's stack, which goes to the high half of words[0]. False: not recorded.
bool with_stack(uint32_t type, uint64_t* words, uint32_t count, unwind::Entry entry);

// What the program says of its own allocator: the stack goes to the low half of the last word. Also in signal
// handlers.
void announce(uint32_t type, uint64_t* words, uint32_t count, unwind::Entry entry);

// The stack of the hook's caller without an event. False: none can be taken now.
bool current_stack(unwind::Entry entry, uint32_t* stack);
// From now on this thread works for whoever had `stack` (0: unknown).
void set_queued_from(uint32_t stack);

// Between the two this thread's small short-lived blocks are not recorded: see quiet.h.
void begin_quiet();
void pause_quiet(bool isPaused);
void end_quiet(unwind::Entry entry);

// Compare every stack with a second, slow walk and abort on a difference.
void verify_stacks();

}  // namespace mp::record

#endif
