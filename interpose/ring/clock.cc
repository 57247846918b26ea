#include "clock.h"

#include "thread.h"

namespace mp::clock {
namespace {

struct Others {
  const ThreadState* self;
  uint32_t writtenWords;  // mod 2^32
  bool isBusy;
};

Others look_at_others(const ThreadState* self) {
  Others others{self, 0, false};
  thread::each_state(
      [](const ThreadState& state, void* context) {
        auto* found = static_cast<Others*>(context);
        if (&state == found->self) return;
        found->writtenWords += __atomic_load_n(&state.ring->head, __ATOMIC_ACQUIRE);
        found->isBusy |= __atomic_load_n(&state.ring->busy, __ATOMIC_ACQUIRE) != 0;
      },
      &others);
  return others;
}

uint32_t barriers_made() { return __atomic_load_n(&g_process.header->barrierCount, __ATOMIC_ACQUIRE); }

// pre: the reader's barrier lies between the claim and this.
void end_claim(ThreadState* state) {
  uintptr_t claim = claimed_by(state);
  uintptr_t then = look_at_others(state).isBusy ? static_cast<uintptr_t>(kShared) : owned_by(state);
  g_process.owner.compare_exchange_strong(claim, then, std::memory_order_seq_cst);
  // The plain ticks to come lie after those of everybody who was found idle.
  _mm_lfence();
}

}  // namespace

void look(ThreadState* state) {
  uintptr_t owner = g_process.owner.load(std::memory_order_acquire);
  if (owner == owned_by(state)) return;
  if (owner == claimed_by(state)) {
    // The first of two may have begun before the claim.
    if (barriers_made() - state->barriersAtClaim >= 2) end_claim(state);
    return;
  }
  // Without the reader's barrier the horizon rests on the busy word's own fence, and that orders no plain rdtsc.
  if (owner != kShared || g_process.storeFence) return;
  uint32_t written = look_at_others(state).writtenWords;
  bool areQuiet = written == state->othersWords;
  state->othersWords = written;
  if (areQuiet &&
      g_process.owner.compare_exchange_strong(owner, claimed_by(state), std::memory_order_seq_cst))
    state->barriersAtClaim = barriers_made();
}

void own_first(ThreadState* state) {
  uintptr_t first = kFirst;
  g_process.owner.compare_exchange_strong(first, owned_by(state), std::memory_order_seq_cst);
}

void disown(ThreadState* state) {
  for (uintptr_t mine : {owned_by(state), claimed_by(state)})
    g_process.owner.compare_exchange_strong(mine, kShared, std::memory_order_seq_cst);
}

}  // namespace mp::clock
