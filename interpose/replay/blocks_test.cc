#include "blocks.h"

#include <gtest/gtest.h>

#include <map>
#include <random>

namespace replay {
namespace {

char* memory(uint64_t number) { return reinterpret_cast<char*>(number * 16 + 16); }

TEST(ReplayBlocks, AreFoundBySerialWhateverWasReleasedBefore) {
  OwnMemory own;
  Blocks blocks(own);
  blocks.open();
  std::mt19937_64 random(11);
  std::map<uint64_t, uint64_t> expected;
  uint64_t serial = 0;
  for (int i = 0; i < 300'000; i++) {
    // Grows in the first half and shrinks in the second.
    if (random() % 5 < (i < 150'000 ? 3u : 2u)) {
      expected[serial] = random();
      blocks.add(serial, Block{memory(serial), expected[serial]});
      serial++;
      continue;
    }
    uint64_t wanted = serial == 0 ? 0 : random() % serial;
    auto near = expected.lower_bound(wanted);
    if (near != expected.end() && random() % 8 != 0) wanted = near->first;
    Block block{};
    auto found = expected.find(wanted);
    ASSERT_EQ(blocks.take(wanted, &block), found != expected.end());
    if (found == expected.end()) continue;
    ASSERT_EQ(block.memory, memory(wanted));
    ASSERT_EQ(block.bytes, found->second);
    expected.erase(found);
  }
  EXPECT_EQ(blocks.count(), expected.size());
}

TEST(ReplayOwnMemory, IsToldFromTheAllocators) {
  OwnMemory own;
  auto* first = static_cast<char*>(own.map(8192, "first"));
  auto* second = static_cast<char*>(own.map(8192, "second"));
  auto at = [](char* address) { return reinterpret_cast<uintptr_t>(address); };
  EXPECT_TRUE(own.has(at(first), at(first) + 1));
  EXPECT_TRUE(own.has(at(first) - kPage, at(first)));
  own.unmap(first, 8192);
  EXPECT_FALSE(own.has(at(first), at(first) + 1));
  EXPECT_TRUE(own.has(at(second), at(second) + 1));
}

}  // namespace
}  // namespace replay
