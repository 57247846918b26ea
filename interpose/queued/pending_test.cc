#include "pending.h"

#include <gtest/gtest.h>

#include <map>
#include <random>

namespace mp::queued {
namespace {

TEST(Pending, GivesEachRequestTheStackThatQueuedItOnce) {
  Pending pending{};
  pending.put(0x1000, 7);
  uint32_t stack = 0;
  EXPECT_TRUE(pending.take(0x1000, &stack));
  EXPECT_EQ(stack, 7u);
  EXPECT_FALSE(pending.take(0x1000, &stack));
  pending.clear();
}

TEST(Pending, ARequestThatIsQueuedAgainHasItsNewStack) {
  Pending pending{};
  pending.put(0x1000, 7);
  pending.put(0x1000, 8);
  uint32_t stack = 0;
  EXPECT_EQ(pending.count(), 1u);
  EXPECT_TRUE(pending.take(0x1000, &stack));
  EXPECT_EQ(stack, 8u);
  pending.clear();
}

TEST(Pending, AgreesWithAPlainMapUnderRandomUse) {
  std::mt19937_64 random(5);
  Pending pending{};
  std::map<uintptr_t, uint32_t> model;
  for (int i = 0; i < 200000; ++i) {
    uintptr_t request = 0x10000 + random() % 3000 * 64;
    if (random() % 2 == 0) {
      auto stack = static_cast<uint32_t>(random());
      pending.put(request, stack);
      model[request] = stack;
    } else {
      uint32_t stack = 0;
      bool found = pending.take(request, &stack);
      auto expected = model.find(request);
      ASSERT_EQ(found, expected != model.end());
      if (found) {
        ASSERT_EQ(stack, expected->second);
        model.erase(expected);
      }
    }
    ASSERT_EQ(pending.count(), model.size());
  }
  pending.clear();
}

}  // namespace
}  // namespace mp::queued
