// How a tick is taken, and whose clock it is.
//
// Ticks need an order against the program's own loads only where two threads hand a block from one to the
// other: a plain rdtsc may run before the load that brought the block, and so before the other thread's
// tick. A fence costs 8 to 9 ns an event. So one thread at a time may own the clock: its ticks are plain,
// and its ring's own order is enough. Everybody else takes ordered ticks, and ends the ownership first.
//
// Why a plain tick of the owner O still comes after the tick of every event whose effect O has met:
//
//   An event of another thread T that began after the ownership. T stores kShared before its tick, and so
//   before anybody can meet what the event did. O, which has met it, loads `owner` after that (x86 keeps
//   loads in order, and stores) and finds kShared: this tick is ordered.
//
//   One that had begun before: T loaded `owner` too early to see O. That is what the busy word is for: T
//   stores it, then loads `owner`; O stores its claim, then loads all busy words. Between each store and
//   load stands a fence: O's is a locked instruction, T's is a barrier on all threads that the reader makes
//   for each horizon anyway, and counts (wire.h). So once one was made wholly after the claim, either O sees
//   that T is busy and gives up, or T's tick is over, and O's lfence puts the plain ones after it, or T sees
//   the claim and ends it. No thread ever makes a system call for this.
//
// The other way round nothing can go wrong: a plain tick is read before anything later in the program can be
// seen, and an early one is still before the ordered ticks of those who saw it.
//
// Must not import hooks/, unwind/ or stacks/.
#ifndef MEMPROF_RING_CLOCK_H
#define MEMPROF_RING_CLOCK_H

#include <x86intrin.h>

#include "process.h"

namespace mp {

struct ThreadState;

namespace clock {

// What g_process.owner holds, unless it is the ThreadState that owns the clock.
enum : uintptr_t {
  kShared = 0,  // all ticks are ordered. May be stored by anybody at any time.
  kFirst = 1,   // joined; the first thread that gets a ring becomes the owner
  kTicket = 2,  // this machine's TSC is no clock: a shared counter
};
inline uintptr_t owned_by(const ThreadState* state) { return reinterpret_cast<uintptr_t>(state); }
// Not yet: somebody may still be within an event.
inline uintptr_t claimed_by(const ThreadState* state) { return owned_by(state) | 1; }

// Now and then while the thread records (see ring::wait_for_room): takes the clock over once nobody else
// has recorded for a while.
void look(ThreadState* state);
// The process's first thread. pre: it has taken no tick yet.
void own_first(ThreadState* state);
// Another thread may get this state.
void disown(ThreadState* state);

MP_INLINE bool is_ticket(uintptr_t owner, const ThreadState* state) {
  if (MP_LIKELY(owner == kShared || owner == claimed_by(state))) return false;
  if (owner == kTicket) return true;
  g_process.owner.store(kShared, std::memory_order_relaxed);
  __atomic_signal_fence(__ATOMIC_SEQ_CST);
  return false;
}
inline uint64_t ticket() { return g_process.tickets.fetch_add(1, std::memory_order_seq_cst); }

}  // namespace clock

// A tick before the release of a block. lfence: the pointer that is being freed came from a load
// that must be complete, or this tick could fall before the allocation's tick on another core.
// pre, here and below: ring::begin(state), or nobody reads the ring for its ticks.
MP_INLINE uint64_t tick_before(const ThreadState* state) {
  uintptr_t owner = g_process.owner.load(std::memory_order_relaxed);
  if (MP_LIKELY(owner == clock::owned_by(state))) return __rdtsc() - g_process.clockBase;
  if (MP_UNLIKELY(clock::is_ticket(owner, state))) return clock::ticket();
  _mm_lfence();
  return __rdtsc() - g_process.clockBase;
}

// A tick after the allocator returned a block. rdtscp waits for all earlier instructions, the
// allocator's lock acquisition among them.
MP_INLINE uint64_t tick_after(const ThreadState* state) {
  uintptr_t owner = g_process.owner.load(std::memory_order_relaxed);
  if (MP_LIKELY(owner == clock::owned_by(state))) return __rdtsc() - g_process.clockBase;
  if (MP_UNLIKELY(clock::is_ticket(owner, state))) return clock::ticket();
  unsigned core;
  return __rdtscp(&core) - g_process.clockBase;
}

// The moment of what goes to no ring.
inline uint64_t tick_of_no_event() {
  if (g_process.owner.load(std::memory_order_relaxed) == clock::kTicket) return clock::ticket();
  unsigned core;
  return __rdtscp(&core) - g_process.clockBase;
}

}  // namespace mp

#endif
