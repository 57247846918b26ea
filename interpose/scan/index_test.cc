#include "index.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <vector>

#include "../wire.h"

namespace mp::scan {
namespace {

struct Blocks {
  std::vector<uint64_t> addresses, sizes;
  BlockIndex index;
  bool build() {
    return index.build(addresses.data(), sizes.data(), static_cast<uint32_t>(addresses.size()));
  }
  // By its definition.
  uint32_t find(uint64_t address) const {
    for (size_t row = addresses.size(); row-- > 0;) {
      uint64_t size = sizes[row] == 0 ? 1 : sizes[row];
      if (address >= addresses[row] && address - addresses[row] < size) return static_cast<uint32_t>(row);
    }
    return kNoRow;
  }
};

TEST(BlockIndex, FindsFirstAndLastByteAndNothingBeside) {
  Blocks blocks{{0x1000, 0x1040, 0x2000000}, {0x30, 0, 5u << 20}, {}};
  ASSERT_TRUE(blocks.build());
  EXPECT_EQ(blocks.index.find(0x1000), 0u);
  EXPECT_EQ(blocks.index.find(0x102f), 0u);
  EXPECT_EQ(blocks.index.find(0x1030), kNoRow);
  EXPECT_EQ(blocks.index.find(0xfff), kNoRow);
  EXPECT_EQ(blocks.index.find(0x1040), 1u) << "a block of 0 bytes has a first one";
  EXPECT_EQ(blocks.index.find(0x1041), kNoRow);
  EXPECT_EQ(blocks.index.find(0x2000000 + (3u << 20)), 2u);
  EXPECT_EQ(blocks.index.find(0x2000000 + (5u << 20) - 1), 2u);
  EXPECT_EQ(blocks.index.find(0x2000000 + (5u << 20)), kNoRow);
  EXPECT_EQ(blocks.index.find(0), kNoRow);
  EXPECT_EQ(blocks.index.find(~uint64_t{0}), kNoRow);
}

TEST(BlockIndex, HoldsNothingWithoutBlocks) {
  Blocks blocks;
  ASSERT_TRUE(blocks.build());
  EXPECT_EQ(blocks.index.find(0x1000), kNoRow);
}

TEST(BlockIndex, RefusesRowsThatAreNotInOrderOrNotInUserSpace) {
  Blocks unordered{{0x2000, 0x1000}, {8, 8}, {}};
  EXPECT_FALSE(unordered.build());
  Blocks beyond{{uint64_t{1} << 60}, {8}, {}};
  EXPECT_FALSE(beyond.build());
  Blocks wraps{{0x1000}, {~uint64_t{0}}, {}};
  EXPECT_FALSE(wraps.build());
}

TEST(BlockIndex, SaysWhatTheDefinitionSaysOfRandomHeaps) {
  std::mt19937_64 random(7);
  for (int round = 0; round < 30; ++round) {
    Blocks blocks;
    uint64_t at = 0x7f0000000000 + (random() & 0xffff0);
    for (int i = 0; i < 400; ++i) {
      uint64_t size = random() % 20 == 0 ? random() % (6u << 20) : random() % 300;
      blocks.addresses.push_back(at);
      blocks.sizes.push_back(size);
      at +=
          (size == 0 ? 1 : size) + (random() % 3 == 0 ? 0 : random() % (random() % 10 == 0 ? 9u << 20 : 64u));
    }
    ASSERT_TRUE(blocks.build());
    for (size_t row = 0; row < blocks.addresses.size(); ++row) {
      uint64_t start = blocks.addresses[row];
      for (uint64_t address : {start - 1, start, start + blocks.sizes[row] / 2, start + blocks.sizes[row] - 1,
                               start + blocks.sizes[row], start + random() % (4u << 20)}) {
        ASSERT_EQ(blocks.index.find(address), blocks.find(address)) << std::hex << address;
      }
    }
  }
}

TEST(BlockIndex, FindsTheInnermostOfPoolsBlocksAndWhatLiesAroundThem) {
  std::mt19937_64 random(11);
  for (int round = 0; round < 30; ++round) {
    struct Block {
      uint64_t address, size;
      uint8_t flags;
    };
    std::vector<Block> made;
    uint64_t at = 0x100000;
    for (int i = 0; i < 40; ++i) {
      at += random() % 5000;
      const uint64_t size = random() % 8 == 0 ? (uint64_t{3} << 20) + random() % 100000 : random() % 40000;
      made.push_back({at, size, 0});
      // A pool in it, with a pool in each of its blocks.
      for (uint64_t inner = random() % 3 == 0 ? at : at + size; inner + 600 <= at + size;) {
        const uint64_t bytes = random() % 600;
        made.push_back({inner, bytes, MP_BLOCK_POOL});
        if (bytes > 100) made.push_back({inner + random() % 50, 1 + random() % 40, MP_BLOCK_POOL});
        inner += bytes + random() % 300 + 1;
      }
      at += size + 1;
    }
    std::stable_sort(made.begin(), made.end(), [](const Block& a, const Block& b) {
      return a.address != b.address ? a.address < b.address : a.size > b.size;
    });
    Blocks blocks;
    std::vector<uint8_t> flags;
    for (const Block& block : made) {
      blocks.addresses.push_back(block.address);
      blocks.sizes.push_back(block.size);
      flags.push_back(block.flags);
    }
    const auto count = static_cast<uint32_t>(made.size());
    ASSERT_TRUE(blocks.index.build(blocks.addresses.data(), blocks.sizes.data(), count, flags.data()));
    for (int i = 0; i < 20000; ++i) {
      const Block& near = made[random() % made.size()];
      const uint64_t address = near.address + random() % (near.size + 20) - random() % 10;
      ASSERT_EQ(blocks.index.find(address), blocks.find(address)) << std::hex << address;
    }
    for (uint32_t row = 0; row < count; ++row) {
      if (flags[row] != 0) {
        ASSERT_NE(blocks.index.parent(row), kNoRow);
        ASSERT_EQ(flags[blocks.index.outermost(row)], 0);
      } else {
        ASSERT_EQ(blocks.index.parent(row), kNoRow);
      }
    }
  }
}

}  // namespace
}  // namespace mp::scan
