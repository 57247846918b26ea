#include <atomic>
#include <random>
#include <thread>
#include <vector>

#include "meta.h"
#include "test_session.h"
#include "thread.h"

namespace mp {
namespace {

// The reader's side, as in wire.h: copies out, then moves the tail.
class Consumer {
 public:
  explicit Consumer(RingHeader* ring) : ring_(ring), tail_(ring->tail) {}

  std::vector<uint64_t> take() {
    uint32_t head = __atomic_load_n(&ring_->head, __ATOMIC_ACQUIRE);
    const auto* data =
        reinterpret_cast<const uint64_t*>(reinterpret_cast<const char*>(ring_) + ring_->dataOffset);
    uint32_t mask = ring_->dataBytes / 8 - 1;
    std::vector<uint64_t> words;
    for (; tail_ != head; ++tail_) words.push_back(data[tail_ & mask]);
    __atomic_store_n(&ring_->tail, tail_, __ATOMIC_RELEASE);
    return words;
  }

 private:
  RingHeader* ring_;
  uint32_t tail_;
};

TEST(Ring, EveryRecordArrivesWholeAndInOrderWhileBothSidesRun) {
  test::join();
  constexpr uint64_t kRecords = 300000;  // many times the ring's 8,192 words
  std::atomic<ThreadState*> shared{nullptr};
  std::atomic<bool> done{false};
  std::thread producer([&] {
    ThreadState* state = thread::current();
    shared = state;
    for (uint64_t i = 0; i < kRecords; ++i) {
      uint64_t words[5] = {i, ~i, i * 3, i * 5, i * 7};
      ring::begin(state);
      ring::write(state, MP_MARK, tick_after(state), words, static_cast<uint32_t>(1 + i % 5));
      ring::end(state);
    }
    done = true;
    while (shared != nullptr) std::this_thread::yield();
  });
  while (shared == nullptr) std::this_thread::yield();
  Consumer consumer(shared.load()->ring);
  // Nobody drains yet: the ring fills, and its producer has to wait.
  while (g_process.header->waitCount == 0) std::this_thread::yield();
  std::vector<uint64_t> pending;
  size_t at = 0;
  uint64_t expected = 0;
  uint64_t lastTick = 0;
  bool begun = false;
  while (expected < kRecords) {
    bool wasDone = done;
    for (uint64_t word : consumer.take()) pending.push_back(word);
    while (at < pending.size()) {
      uint32_t type = static_cast<uint32_t>(pending[at] >> 56);
      uint64_t tick = pending[at] & ((UINT64_C(1) << 56) - 1);
      ASSERT_GE(tick, lastTick);
      lastTick = tick;
      if (!begun || type != MP_MARK) {
        // A new thread says who it is first: THREAD_BEGIN and THREAD_NAME (END of the one before it).
        ASSERT_NE(type, 0u);
        size_t words = type == MP_THREAD_BEGIN ? 3 : type == MP_THREAD_NAME ? 4 : 1;
        at += words;
        begun = begun || type == MP_THREAD_NAME;
        continue;
      }
      size_t count = 1 + expected % 5;
      ASSERT_LE(at + 1 + count, pending.size());  // head covers whole records only
      const uint64_t values[5] = {expected, ~expected, expected * 3, expected * 5, expected * 7};
      for (size_t i = 0; i < count; ++i) ASSERT_EQ(pending[at + 1 + i], values[i]);
      at += 1 + count;
      ++expected;
    }
    pending.erase(pending.begin(), pending.begin() + static_cast<std::ptrdiff_t>(at));
    at = 0;
    if (wasDone && expected < kRecords) {
      ASSERT_FALSE(pending.empty());
    }
  }
  shared = nullptr;
  producer.join();
  EXPECT_GT(g_process.header->waitCount, 0u);
  EXPECT_EQ(g_process.header->lostEvents, 0u);
}

TEST(Ring, EventsOfASignalHandlerComeBeforeOrAfterTheInterruptedOneByTheirTicks) {
  test::join();
  ThreadState* state = thread::current();
  Consumer consumer(state->ring);
  consumer.take();
  uint64_t word = 1;
  uint64_t early = tick_after(state);
  ring::put_nested(state, MP_FORK, early, &word, 1);
  ring::begin(state);
  uint64_t own = tick_after(state);
  uint64_t late = tick_after(state) + 1000;
  word = 3;
  ring::put_nested(state, MP_FORK, late, &word, 1);
  ring::flush_nested(state, own);
  word = 2;
  ring::write(state, MP_FORK, own, &word, 1);
  ring::flush_nested(state, UINT64_MAX);
  ring::end(state);
  std::vector<uint64_t> words = consumer.take();
  ASSERT_EQ(words.size(), 6u);
  EXPECT_EQ(words[1], 1u);
  EXPECT_EQ(words[3], 2u);
  EXPECT_EQ(words[5], 3u);
  EXPECT_EQ(state->nestedCount, 0u);
}

TEST(Ring, MoreNestedEventsThanThereIsRoomForAreCountedAsLost) {
  test::join();
  ThreadState* state = thread::current();
  Consumer consumer(state->ring);
  uint64_t lostBefore = g_process.header->lostEvents;
  uint64_t word = 0;
  for (uint32_t i = 0; i < kNestedRecords + 5; ++i)
    ring::put_nested(state, MP_FORK, tick_after(state), &word, 1);
  EXPECT_EQ(state->lostEvents, 5u);
  EXPECT_EQ(g_process.header->lostEvents - lostBefore, 5u);
  ring::begin(state);
  ring::flush_nested(state, UINT64_MAX);
  ring::end(state);
  state->lostEvents = 0;
  g_process.header->lostEvents = lostBefore;
  consumer.take();
}

TEST(Threads, RingsAreReusedByLaterThreads) {
  test::join();
  uint32_t before = g_process.header->ringCount;
  for (int i = 0; i < 200; ++i) {
    std::thread([] { ASSERT_NE(thread::current(), nullptr); }).join();
    // Each ring is small; keep it empty.
    __atomic_store_n(&thread::current()->ring->tail, thread::current()->ring->head, __ATOMIC_RELEASE);
  }
  EXPECT_LE(g_process.header->ringCount, before + 2);
}

TEST(Meta, RecordsAreParsedBackFieldByField) {
  test::join();
  ProcessHeader* header = g_process.header;
  const auto* data = reinterpret_cast<const char*>(header) + header->metaOffset;
  uint32_t mask = header->metaBytes - 1;
  uint32_t start = header->metaHead;
  meta::code(77, MP_CODE_JIT, 0x1234567890, 99, 3, "JS:~odd name", 12);
  uint32_t end = header->metaHead;
  std::vector<char> bytes;
  for (uint32_t at = start * 8; at != end * 8; ++at) bytes.push_back(data[at & mask]);
  auto u32 = [&](size_t at) {
    uint32_t value;
    memcpy(&value, &bytes[at], 4);
    return value;
  };
  ASSERT_EQ(bytes.size(), 56u);
  EXPECT_EQ(u32(0), static_cast<uint32_t>(MP_META_CODE));
  EXPECT_EQ(u32(4), bytes.size());
  EXPECT_EQ(u32(8), 77u);
  EXPECT_EQ(u32(12), static_cast<uint32_t>(MP_CODE_JIT));
  EXPECT_EQ(u32(32), 3u);
  EXPECT_EQ(u32(36), 12u);
  EXPECT_EQ(std::string(&bytes[40], 12), "JS:~odd name");
  __atomic_store_n(&header->metaTail, header->metaHead, __ATOMIC_RELEASE);
}

}  // namespace
}  // namespace mp
