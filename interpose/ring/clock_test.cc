#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <thread>
#include <vector>

#include "clock.h"
#include "test_session.h"
#include "thread.h"

namespace mp {
namespace {

uintptr_t owner() { return g_process.owner.load(); }

// As the reader makes one for each horizon: the barrier, then its number.
void make_barrier() {
  ASSERT_EQ(syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL_EXPEDITED, 0, 0), 0);
  __atomic_fetch_add(&g_process.header->barrierCount, 1, __ATOMIC_SEQ_CST);
}

// One event: its tick, and one more record in the ring, which nobody reads.
uint64_t record(ThreadState* state, uint64_t tick(const ThreadState*) = tick_after) {
  ring::begin(state);
  uint64_t at = tick(state);
  uint64_t word = 0;
  ring::write(state, MP_FORK, at, &word, 1);
  ring::end(state);
  __atomic_store_n(&state->ring->tail, state->ring->head, __ATOMIC_RELEASE);
  return at;
}

void own(ThreadState* state) {
  while (owner() != clock::owned_by(state)) {
    clock::look(state);
    make_barrier();
  }
}

class Clock : public testing::Test {
 protected:
  void SetUp() override {
    test::join();
    state_ = thread::current();
    if (g_process.storeFence) GTEST_SKIP() << "no membarrier here";
    own(state_);
  }
  ThreadState* state_ = nullptr;
};

TEST_F(Clock, IsSharedAsSoonAsAnotherThreadRecordsAndOwnedAgainWhenOneAloneDoes) {
  record(state_);
  EXPECT_EQ(owner(), clock::owned_by(state_));
  std::thread([] {
    record(thread::current());
    EXPECT_EQ(owner(), clock::kShared);
  }).join();
  clock::look(state_);  // somebody has recorded since the last look
  EXPECT_EQ(owner(), clock::kShared);
  clock::look(state_);
  EXPECT_EQ(owner(), clock::claimed_by(state_));
  make_barrier();  // may have begun before the claim
  clock::look(state_);
  record(state_);  // ends no claim of its own
  EXPECT_EQ(owner(), clock::claimed_by(state_));
  make_barrier();
  clock::look(state_);
  EXPECT_EQ(owner(), clock::owned_by(state_));
}

TEST_F(Clock, IsNotOwnedWhileAnotherThreadIsWithinAnEvent) {
  std::atomic<int> step{0};
  auto wait_for = [&](int wanted) {
    while (step != wanted) std::this_thread::yield();
  };
  std::thread other([&] {
    ThreadState* state = thread::current();
    ring::begin(state);
    step = 1;
    wait_for(2);
    ring::end(state);
    step = 3;
    wait_for(4);
  });
  wait_for(1);
  // Its ring is quiet, but the tick of its event may still come.
  for (int i = 0; i < 8; ++i) {
    clock::look(state_);
    make_barrier();
    EXPECT_NE(owner(), clock::owned_by(state_));
  }
  step = 2;
  wait_for(3);
  own(state_);
  step = 4;
  other.join();
}

TEST_F(Clock, EndsWithItsOwnersThread) {
  std::thread([] { own(thread::current()); }).join();
  EXPECT_EQ(owner(), clock::kShared);
}

TEST_F(Clock, WhoeverMeetsATickOfAnotherThreadTakesALaterOneWhileTheClockChangesHands) {
  constexpr uint64_t kChanges = 3000;
  struct alignas(64) Slot {
    std::atomic<uint64_t> tick{0};
  };
  Slot slots[4];
  std::atomic<bool> done{false};
  std::atomic<uint64_t> confused{0};
  // Nothing but the load stands between another thread's tick and ours.
  auto meet = [&](ThreadState* state, size_t self, size_t other) {
    uint64_t met = slots[other].tick.load(std::memory_order_relaxed);
    uint64_t released = record(state, tick_before);
    confused += released < met;
    met = slots[other].tick.load(std::memory_order_relaxed);
    uint64_t allocated = record(state, tick_after);
    confused += allocated < met;
    slots[self].tick.store(allocated, std::memory_order_relaxed);
  };
  std::vector<std::thread> threads;
  threads.emplace_back([&] {
    while (!done) make_barrier();
  });
  // Each works for a moment, then sleeps for one.
  for (size_t self = 1; self < 4; ++self) {
    threads.emplace_back([&, self] {
      ThreadState* state = thread::current();
      uint32_t random = static_cast<uint32_t>(self);
      while (!done) {
        random = random * 1664525 + 1013904223;
        for (uint32_t i = 0; i < (random >> 27); ++i) meet(state, self, random >> 30);
        usleep((random >> 20 & 255) * static_cast<uint32_t>(self));
      }
    });
  }
  uint64_t changes = 0;
  bool wasOwner = false;
  for (uint64_t i = 0; changes < kChanges; ++i) {
    meet(state_, 0, 1 + i % 3);
    if (i % 16 == 0) clock::look(state_);
    bool isOwner = owner() == clock::owned_by(state_);
    changes += isOwner && !wasOwner;
    wasOwner = isOwner;
  }
  done = true;
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(confused, 0u);
}

}  // namespace
}  // namespace mp
