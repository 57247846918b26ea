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

}  // namespace
}  // namespace mp::scan
