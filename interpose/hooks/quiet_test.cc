#include "quiet.h"

#include <gtest/gtest.h>

#include <random>
#include <set>

namespace mp::quiet {
namespace {

void* block(uint64_t number) { return reinterpret_cast<void*>(0x10000 + number * 16); }

TEST(Quiet, KeepsAndForgetsAsASetDoes) {
  std::mt19937_64 random(7);
  std::set<void*> expected;
  uint64_t last = 0;
  ASSERT_TRUE(open());
  for (int i = 0; i < 600'000; i++) {
    void* each = block(random() % 150'000);
    if (random() % 3 != 0) {
      if (expected.insert(each).second) ASSERT_TRUE(keep(each, kBlockBytes));
    } else {
      ASSERT_EQ(forget(each), expected.erase(each) == 1);
    }
    if (uint64_t now = step(); now != 0) {
      ASSERT_EQ(now, expected.size());
      ASSERT_EQ(now, last + MP_QUIET_STEP);
      last = now;
    }
  }
  EXPECT_GT(last, 10 * MP_QUIET_STEP);
  Left left;
  while (take_left(&left)) {
    ASSERT_EQ(expected.erase(left.block), 1u);
    ASSERT_EQ(left.sizeBytes, kBlockBytes);
  }
  EXPECT_TRUE(expected.empty());
  close();
}

TEST(Quiet, KeepsNoOtherSizeAndNothingWhenItIsClosed) {
  EXPECT_FALSE(is_open());
  EXPECT_FALSE(keep(block(1), kBlockBytes));
  EXPECT_FALSE(forget(block(1)));
  ASSERT_TRUE(open());
  EXPECT_FALSE(open());
  EXPECT_FALSE(keep(block(1), kBlockBytes + 1));
  EXPECT_TRUE(keep(block(1), kBlockBytes));
  EXPECT_TRUE(keep(block(1), kBlockBytes)) << "freed by another thread, and given out again";
  close();
  EXPECT_FALSE(forget(block(1)));
}

}  // namespace
}  // namespace mp::quiet
