// A recording thread: its ring, its place in it, its unwinder. States and rings are pooled: 4,096
// threads in a row need as many as run at once.
#ifndef MEMPROF_RING_THREAD_H
#define MEMPROF_RING_THREAD_H

#include <pthread.h>

#include "../base.h"
#include "../unwind/walk.h"
#include "../wire.h"
#include "clock.h"
#include "process.h"

namespace mp {

// An event that a signal handler made while this thread was inside the shim. It waits here, with the
// tick of its own moment, until the interrupted event is written.
struct NestedRecord {
  uint32_t words;
  uint64_t word[6];
};
constexpr uint32_t kNestedRecords = 64;

struct ThreadState {
  // The ring, this thread's side.
  RingHeader* ring;
  uint64_t* data;
  uint32_t mask;   // words - 1
  uint32_t head;   // ours; published by a store to ring->head
  uint32_t limit;  // as far as head may go before wait_for_room is asked again
  // Words of the ring that have their memory, from its begin. Most threads, and most processes of a shell script,
  // never need all.
  uint32_t reserved;
  // != 0 while a hook works on this state: a second entry comes from a signal handler.
  volatile uint32_t inside;
  volatile uint32_t nestedCount;
  uint32_t currentStack;  // of the event under way: what a nested mmap of the allocator inherits
  uint32_t lookedAt;      // head when the clock was last looked after, and what clock::look remembers
  uint32_t othersWords;
  uint32_t barriersAtClaim;
  uint64_t lastTick;
  uint64_t lostEvents;  // not yet written as MP_LOST
  unwind::Walker walker;
  ThreadState* nextFree;
  ThreadState* nextAll;
  uint32_t ringBytes;
  uint32_t threadIndex;
  uint32_t kernelId;
  pthread_t handle;
  uint32_t destructorRounds;
  NestedRecord nested[kNestedRecords];
};

namespace thread {

// What every thread has, in static TLS. Plain zeros until its first event.
struct Local {
  ThreadState* state;
  uint32_t muted;         // the shim's own work: hooks pass through
  uint32_t indexPlusOne;  // dense thread index, once given
  uint32_t ended;         // its destructors have run: each further event borrows a ring
  uint32_t epoch;         // the join that `state` belongs to (a fork's child starts a new one)
};
extern __thread Local t_local __attribute__((tls_model("initial-exec")));

bool create_first_ring();
// After a fork: forget everything that belongs to the parent.
void abandon();

// The state of the calling thread, or nullptr when its events cannot be recorded (muted, stopped,
// not joined, no space for a ring). Keeps errno.
ThreadState* enter_slow();
// Gives a borrowed state back (a thread past its destructors).
void leave_borrowed(ThreadState* state);

// 0: a thread that has recorded nothing so far.
uint32_t kernel_id(pthread_t thread);
// Every state that there is; one that is being made may be left out. kernelId is 0 where the thread that
// had it last has ended.
void each_state(void (*visit)(const ThreadState& state, void* context), void* context);

MP_INLINE ThreadState* current() {
  if (MP_LIKELY(recording() && t_local.state != nullptr)) return t_local.state;
  return enter_slow();
}

}  // namespace thread

// The ring's producer side. The order of every store matters to the reader: see wire.h.
namespace ring {

// Some 10,000 events, a millisecond: looking at all rings takes a microsecond or less.
constexpr uint32_t kWordsBetweenLooks = 32768;

// Room for `words`, waiting for the reader when the ring is full. False: recording stopped.
bool wait_for_room(ThreadState* state, uint32_t words);

MP_INLINE bool room(ThreadState* state, uint32_t words) {
  if (MP_LIKELY(state->limit - state->head >= words)) return true;
  return wait_for_room(state, words);
}

// Before a tick is taken that will be published.
MP_INLINE void begin(ThreadState* state) {
  __atomic_store_n(&state->ring->busy, 1, __ATOMIC_RELAXED);
  if (MP_UNLIKELY(g_process.storeFence)) __atomic_thread_fence(__ATOMIC_SEQ_CST);
  __atomic_signal_fence(__ATOMIC_SEQ_CST);
}

MP_INLINE void end(ThreadState* state) { __atomic_store_n(&state->ring->busy, 0, __ATOMIC_RELEASE); }

MP_INLINE void put(ThreadState* state, uint64_t word) { state->data[state->head++ & state->mask] = word; }

// Pairs with the reader's acquire load of head: the words come first.
MP_INLINE void publish(ThreadState* state) {
  __atomic_store_n(&state->ring->head, state->head, __ATOMIC_RELEASE);
}

// Ticks of one ring never fall, though two reads of the TSC may swap inside one core.
MP_INLINE uint64_t in_order(ThreadState* state, uint64_t tick) {
  if (MP_UNLIKELY(tick < state->lastTick)) tick = state->lastTick;
  state->lastTick = tick;
  return tick & ((UINT64_C(1) << 56) - 1);
}

MP_INLINE uint64_t head_word(uint32_t type, uint64_t tick) {
  return (static_cast<uint64_t>(type) << 56) | tick;
}

// Writes one record with a tick of its own: begin must have been called before the tick was taken.
bool write(ThreadState* state, uint32_t type, uint64_t tick, const uint64_t* words, uint32_t count);
// Nested records whose tick is below `before`, in order.
void flush_nested(ThreadState* state, uint64_t before);
// From a signal handler that interrupted this thread's own recording.
void put_nested(ThreadState* state, uint32_t type, uint64_t tick, const uint64_t* words, uint32_t count);
void note_lost(ThreadState* state);

}  // namespace ring
}  // namespace mp

#endif
