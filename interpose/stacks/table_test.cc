#include "table.h"

#include <map>
#include <random>
#include <thread>
#include <vector>

#include "../ring/test_session.h"

namespace mp::stacks {
namespace {

TEST(StackTable, TheSameFrameBelowTheSameParentIsTheSameNode) {
  test::join();
  uint32_t a = intern(0, encode(MP_FRAME_NATIVE, 1));
  uint32_t b = intern(a, encode(MP_FRAME_NATIVE, 2));
  EXPECT_EQ(intern(0, encode(MP_FRAME_NATIVE, 1)), a);
  EXPECT_EQ(intern(a, encode(MP_FRAME_NATIVE, 2)), b);
  EXPECT_NE(intern(0, encode(MP_FRAME_NATIVE, 2)), b);
  EXPECT_LT(a, b);
  EXPECT_EQ(node(b).parent, a);
  EXPECT_EQ(node(b).depth, node(a).depth + 1);
}

TEST(StackTable, MarkersAreReadyMadeNodes) {
  test::join();
  for (uint32_t marker = MP_MARKER_CUT; marker <= MP_MARKER_BROKEN; ++marker) {
    EXPECT_EQ(node(marker).frame, encode_marker(marker));
    EXPECT_EQ(node(marker).parent, 0u);
  }
}

TEST(StackTable, GrowsFarBeyondItsFirstIndexAndChunkAndForgetsNothing) {
  test::join();
  std::mt19937_64 random(1);
  std::map<std::pair<uint32_t, uint64_t>, uint32_t> known;
  std::vector<uint32_t> nodes{0};
  for (int i = 0; i < 300000; ++i) {
    uint32_t parent = nodes[random() % nodes.size()];
    uint64_t frame = encode(MP_FRAME_UNKNOWN, random() % 100000 + 10);
    uint32_t id = intern(parent, frame);
    auto [place, isNew] = known.emplace(std::pair{parent, frame}, id);
    ASSERT_EQ(place->second, id);
    if (isNew) nodes.push_back(id);
  }
  for (const auto& [key, id] : known) {
    ASSERT_EQ(intern(key.first, key.second), id);
    ASSERT_EQ(node(id).parent, key.first);
    ASSERT_EQ(node(id).frame, key.second);
  }
  EXPECT_GT(g_process.header->stackChunkCount, 2u);
}

// As the walker does: root first, the rest of a stack right behind its first new node.
uint32_t intern_stack(const std::vector<uint64_t>& frames) {
  uint32_t id = 0;
  bool areNew = false;
  for (size_t i = 0; i < frames.size(); ++i) {
    auto below = static_cast<uint32_t>(frames.size() - 1 - i);
    id = areNew ? append(id, frames[i]) : intern(id, frames[i], below, &areNew);
  }
  return id;
}

std::vector<uint64_t> random_stack(std::mt19937_64& random) {
  std::vector<uint64_t> frames(1 + random() % 12);
  for (uint64_t& frame : frames) frame = encode(MP_FRAME_BUILTIN, 100 + random() % 3);
  return frames;
}

std::vector<uint64_t> frames_of(uint32_t id) {
  std::vector<uint64_t> frames;
  for (; id != 0; id = node(id).parent) frames.insert(frames.begin(), node(id).frame);
  return frames;
}

TEST(StackTable, StacksThatBranchAnywhereAreFoundAgain) {
  test::join();
  std::mt19937_64 random(7);
  std::map<std::vector<uint64_t>, uint32_t> known;
  for (int i = 0; i < 100000; ++i) {
    std::vector<uint64_t> frames = random_stack(random);
    uint32_t id = intern_stack(frames);
    auto [place, isNew] = known.emplace(frames, id);
    ASSERT_EQ(place->second, id);
    if (isNew) {
      ASSERT_EQ(frames_of(id), frames);
    }
  }
  for (const auto& [frames, id] : known) {
    uint32_t found = 0;
    for (uint64_t frame : frames) found = intern(found, frame);
    ASSERT_EQ(found, id);
  }
}

TEST(StackTable, ThreadsThatMakeTheSameStacksAtOnceLeaveNoNodeUnwritten) {
  test::join();
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([] {
      std::mt19937_64 random(8);
      for (int i = 0; i < 50000; ++i) {
        std::vector<uint64_t> frames = random_stack(random);
        frames.push_back(encode(MP_FRAME_UNKNOWN, 500 + i / 10));
        EXPECT_EQ(frames_of(intern_stack(frames)), frames);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (uint32_t id = MP_STACK_FIRST_FREE_ID; id < g_process.header->stackNodeCount; ++id) {
    ASSERT_NE(node(id).frame, 0u) << id;
    ASSERT_LT(node(id).parent, id);
    ASSERT_EQ(node(id).depth, node(node(id).parent).depth + 1);
  }
}

TEST(StackTable, FourThreadsThatInsertTheSameTrieAgreeOnWhatItSays) {
  test::join();
  std::vector<std::vector<uint32_t>> results(4);
  std::vector<std::thread> threads;
  for (size_t t = 0; t < results.size(); ++t) {
    threads.emplace_back([&results, t] {
      std::mt19937_64 random(99);
      for (int i = 0; i < 50000; ++i) {
        uint32_t id = 0;
        for (int depth = 0; depth < 4; ++depth)
          id = intern(id, encode(MP_FRAME_BUILTIN, 1000 + random() % 40));
        results[t].push_back(id);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  // Ids may differ where two threads inserted during growth; what they stand for may not.
  for (size_t i = 0; i < results[0].size(); ++i) {
    for (size_t t = 1; t < results.size(); ++t) {
      uint32_t a = results[0][i];
      uint32_t b = results[t][i];
      while (a != b) {
        ASSERT_EQ(node(a).frame, node(b).frame);
        a = node(a).parent;
        b = node(b).parent;
      }
    }
  }
}

}  // namespace
}  // namespace mp::stacks
