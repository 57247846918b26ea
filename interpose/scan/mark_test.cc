// Heaps as text: "a:16>b,c" is a block of 16 bytes whose words point to b and to c; "a>b+8" points 8 bytes into b.
#include "mark.h"

#include <gtest/gtest.h>

#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "guard.h"

namespace mp::scan {
namespace {

constexpr size_t kBlockBytes = 128;

class Heap {
 public:
  explicit Heap(const std::string& text) {
    guard_reads();
    std::istringstream words(text);
    std::vector<std::pair<std::string, std::string>> targets;
    for (std::string word; words >> word;) {
      size_t arrow = word.find('>');
      std::string name = word.substr(0, arrow);
      uint8_t flags = 0;
      if (name.back() == '!') flags = MP_BLOCK_RUNTIME;
      if (name.back() == '*') flags = MP_BLOCK_OURS;
      if (flags != 0) name.pop_back();
      rowOf_[name] = static_cast<uint32_t>(names_.size());
      names_.push_back(name);
      flags_.push_back(flags);
      targets.emplace_back(name, arrow == std::string::npos ? "" : word.substr(arrow + 1));
    }
    memory_.assign(names_.size() * kBlockBytes / 8, 0);
    for (const auto& [name, list] : targets) {
      std::istringstream each(list);
      uint64_t* at = memory_.data() + rowOf_[name] * kBlockBytes / 8;
      for (std::string target; std::getline(each, target, ',');) *at++ = address(target);
    }
    for (size_t row = 0; row < names_.size(); ++row) {
      addresses_.push_back(reinterpret_cast<uint64_t>(memory_.data()) + row * kBlockBytes);
      sizes_.push_back(kBlockBytes - 16);
    }
    size_t count = names_.size();
    reach_.resize(count);
    firstWord_.resize(count);
    referrer_.resize(count);
    holder_.resize(count);
    inside_.resize(count);
    root_.resize(count);
    Columns columns{static_cast<uint32_t>(count),
                    addresses_.data(),
                    sizes_.data(),
                    flags_.data(),
                    reach_.data(),
                    referrer_.data(),
                    holder_.data(),
                    inside_.data(),
                    root_.data(),
                    firstWord_.data()};
    EXPECT_TRUE(marker.prepare(columns, &pages_));
  }

  uint64_t address(const std::string& target) {
    size_t plus = target.find('+');
    uint64_t inside = plus == std::string::npos ? 0 : std::stoul(target.substr(plus + 1));
    return reinterpret_cast<uint64_t>(memory_.data()) + rowOf_[target.substr(0, plus)] * kBlockBytes + inside;
  }
  void root(const std::string& target, uint32_t reach) {
    uint64_t word = address(target);
    auto at = reinterpret_cast<uintptr_t>(&word);
    marker.scan_root(at, at + 8, reach, 7, false);
    marker.follow(reach);
  }
  // In order of the blocks: O owner, G, T, S, R, M, V, L lost, l behind lost.
  std::string reach() const {
    std::string drawn;
    for (uint8_t each : reach_) drawn += each < 10 ? "?OGTSRMVLl"[each] : '!';
    return drawn;
  }
  uint32_t holder(const std::string& name) { return holder_[rowOf_[name]]; }
  uint32_t inside(const std::string& name) { return inside_[rowOf_[name]]; }
  uint32_t row(const std::string& name) { return rowOf_[name]; }

  Marker marker;

 private:
  std::vector<std::string> names_;
  std::map<std::string, uint32_t> rowOf_;
  std::vector<uint64_t> memory_, addresses_, sizes_, referrer_, firstWord_;
  std::vector<uint8_t> flags_, reach_;
  std::vector<uint32_t> holder_, inside_, root_;
  Pages pages_;
};

TEST(Mark, WhatLiesBehindABlockHasItsReach) {
  Heap heap("a>b b>c+16 c d");
  heap.root("a", MP_REACH_GLOBAL);
  heap.marker.find_lost();
  EXPECT_EQ(heap.reach(), "GGGL");
  EXPECT_EQ(heap.holder("c"), heap.row("b"));
  EXPECT_EQ(heap.inside("c"), 16u);
  EXPECT_EQ(heap.holder("a"), kNoRow);
}

TEST(Mark, PastTheEndHoldsNothing) {
  Heap heap("a>b+112 b");
  heap.root("a", MP_REACH_STACK);
  heap.marker.find_lost();
  EXPECT_EQ(heap.reach(), "SL");
}

TEST(Mark, TheFirstRootKeepsABlock) {
  Heap heap("a>b b");
  heap.root("b", MP_REACH_TLS);
  heap.root("a", MP_REACH_MAPPING);
  EXPECT_EQ(heap.reach(), "MT");
}

TEST(Mark, LostBlocksHaveLeadersInOrderOfAddress) {
  EXPECT_EQ(
      [] {
        Heap h("a>b b>c c");
        h.marker.find_lost();
        return h.reach();
      }(),
      "Lll");
  EXPECT_EQ(
      [] {
        Heap h("a>b b>a c>c");
        h.marker.find_lost();
        return h.reach();
      }(),
      "LlL");
  EXPECT_EQ(
      [] {
        Heap h("a b>a");
        h.marker.find_lost();
        return h.reach();
      }(),
      "lL")
      << "met later by its leader";
  EXPECT_EQ(
      [] {
        Heap h("a>c b>c c");
        h.marker.find_lost();
        return h.reach();
      }(),
      "LLl");
  EXPECT_EQ(
      [] {
        Heap h("a>b b>c,d c>a d");
        h.marker.find_lost();
        return h.reach();
      }(),
      "Llll");
}

TEST(Mark, OwnersAreNotFollowedThroughTheRuntime) {
  // a is owned, r the runtime's: what r leads to is another root's if there is one.
  Heap heap("a>r,b r!>c b c d");
  heap.marker.hold_by_owner(heap.address("a"), 5);
  heap.marker.follow_owned();
  heap.root("c", MP_REACH_GLOBAL);
  heap.marker.follow_runtime();
  heap.marker.find_lost();
  EXPECT_EQ(heap.reach(), "OOOGL");
}

TEST(Mark, WhatOnlyTheRuntimesOwnedBlocksHoldIsNotLost) {
  Heap heap("r!>c c>d d>e! e!>f f");
  heap.marker.hold_by_owner(heap.address("r"), 0);
  heap.marker.follow_owned();
  heap.marker.follow_runtime();
  heap.marker.find_lost();
  EXPECT_EQ(heap.reach().substr(0, 3), "OOO");
}

TEST(Mark, OurOwnBlocksHoldNothingOfTheProgram) {
  Heap heap("ours*>a,r a r!");
  heap.root("ours", MP_REACH_GLOBAL);
  heap.marker.follow_runtime();
  heap.marker.follow_ours();
  heap.marker.find_lost();
  EXPECT_EQ(heap.reach(), "GLM");
}

// A pool of 512 bytes with three blocks: what holds the pool's memory does not hold what it has handed out.
TEST(Mark, BlocksOfAPoolAreHeldEachForItself) {
  guard_reads();
  std::vector<uint64_t> memory(64 + 4);
  const auto at = reinterpret_cast<uint64_t>(memory.data());
  uint64_t addresses[] = {at, at, at + 128, at + 256, at + 512};
  uint64_t sizes[] = {512, 64, 64, 64, 16};
  uint8_t flags[] = {0, MP_BLOCK_POOL, MP_BLOCK_POOL, MP_BLOCK_POOL, 0};
  memory[128 / 8] = at + 512;  // the second points to a block of malloc
  memory[200 / 8] = at + 256;  // the pool's own word between its blocks to the third
  uint8_t reach[5] = {};
  uint64_t referrer[5] = {}, firstWord[5] = {};
  uint32_t holder[5] = {}, inside[5] = {}, rootOf[5] = {};
  Columns columns{5, addresses, sizes, flags, reach, referrer, holder, inside, rootOf, firstWord};
  Pages pages;
  Marker marker;
  ASSERT_TRUE(marker.prepare(columns, &pages));
  const uint64_t root = at + 70;  // into the pool's memory, between blocks
  const auto place = reinterpret_cast<uintptr_t>(&root);
  marker.scan_root(place, place + 8, MP_REACH_GLOBAL, 7, false);
  marker.follow(MP_REACH_GLOBAL);
  marker.find_lost();
  EXPECT_EQ(reach[0], MP_REACH_GLOBAL);
  EXPECT_EQ(reach[1], MP_REACH_LOST);
  EXPECT_EQ(reach[2], MP_REACH_LOST);
  EXPECT_EQ(reach[3], MP_REACH_GLOBAL) << "the pool's own list holds it";
  EXPECT_EQ(reach[4], MP_REACH_LOST_INDIRECT);
  EXPECT_EQ(holder[4], 2u);
}

TEST(Mark, WhoHoldsABlockOfAPoolHoldsThePoolsMemory) {
  guard_reads();
  std::vector<uint64_t> memory(64);
  const auto at = reinterpret_cast<uint64_t>(memory.data());
  uint64_t addresses[] = {at, at, at + 128};
  uint64_t sizes[] = {512, 64, 64};
  uint8_t flags[] = {0, MP_BLOCK_POOL, MP_BLOCK_POOL};
  uint8_t reach[3] = {};
  uint64_t referrer[3] = {}, firstWord[3] = {};
  uint32_t holder[3] = {}, inside[3] = {}, rootOf[3] = {};
  Columns columns{3, addresses, sizes, flags, reach, referrer, holder, inside, rootOf, firstWord};
  Pages pages;
  Marker marker;
  ASSERT_TRUE(marker.prepare(columns, &pages));
  const uint64_t root = at;  // the pool's memory, or its first block: both begin there
  const auto place = reinterpret_cast<uintptr_t>(&root);
  marker.scan_root(place, place + 8, MP_REACH_STACK, 7, false);
  marker.follow(MP_REACH_STACK);
  marker.find_lost();
  EXPECT_EQ(reach[0], MP_REACH_STACK);
  EXPECT_EQ(reach[1], MP_REACH_STACK);
  EXPECT_EQ(reach[2], MP_REACH_LOST);
}

}  // namespace
}  // namespace mp::scan
