#include "regions.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "maps.h"

namespace mp::scan {
namespace {

const char kText[] =
    "1000-2000 rw-p 00000000 08:01 7    /usr/bin/a file with spaces\n"
    "3000-8000 rw-p 00000000 00:00 0 \n"
    "8000-9000 ---p 00000000 00:00 0 \n"
    "9000-a000 rw-s 00000000 00:01 9    /dev/shm/memprof-0-1/p1.0.r0\n"
    "a000-b000 rw-s 00000000 00:01 9    /dev/zero (deleted)\n"
    "b000-c000 rw-s 00000000 00:05 9    /dev/dri/card0\n"
    "c000-d000 rw-p 00000000 00:00 0    [heap]\n"
    "d000-e000 rw-p 00000000 00:00 0    [anon:named]\n"
    "7ff000-800000 rw-p 00000000 00:00 0    [stack]\n"
    "900000-901000 r--p 00000000 00:00 0    [vvar]\n";

std::vector<Mapping> parsed(const std::string& text) {
  std::vector<Mapping> mappings(64);
  size_t count =
      parse_maps(text.data(), text.size(), "/dev/shm/memprof-0-1/", mappings.data(), mappings.size());
  mappings.resize(count < 64 ? count : 64);
  return mappings;
}

TEST(Maps, TellsWhatIsBehindEachMapping) {
  std::vector<Mapping> mappings = parsed(kText);
  ASSERT_EQ(mappings.size(), 10u);
  const Backing expected[] = {
      Backing::kFile,    Backing::kAnonymous, Backing::kAnonymous, Backing::kSession, Backing::kSharedMemory,
      Backing::kSpecial, Backing::kHeap,      Backing::kAnonymous, Backing::kStack,   Backing::kSpecial};
  for (size_t i = 0; i < mappings.size(); ++i) EXPECT_EQ(mappings[i].backing, expected[i]) << i;
  EXPECT_EQ(mappings[0].low, 0x1000u);
  EXPECT_EQ(mappings[0].high, 0x2000u);
  EXPECT_TRUE(mappings[0].canWrite);
  EXPECT_FALSE(mappings[2].canRead);
  EXPECT_TRUE(mappings[4].isShared);
  EXPECT_EQ(mapping_of(mappings.data(), mappings.size(), 0x2fff), nullptr);
  EXPECT_EQ(mapping_of(mappings.data(), mappings.size(), 0x3000), &mappings[1]);
  EXPECT_EQ(mapping_of(mappings.data(), mappings.size(), 0x900fff), &mappings[9]);
}

TEST(Maps, StaysInBoundsAndInOrderWhateverTheTextIs) {
  std::mt19937 random(3);
  for (int round = 0; round < 3000; ++round) {
    std::string text = kText;
    for (int i = 0; i < 8; ++i) text[random() % text.size()] = static_cast<char>(random());
    text.resize(random() % (text.size() + 1));
    std::vector<Mapping> mappings = parsed(text);
    for (size_t i = 0; i < mappings.size(); ++i) {
      ASSERT_LT(mappings[i].low, mappings[i].high);
      if (i > 0) ASSERT_GE(mappings[i].low, mappings[i - 1].high);
    }
  }
}

struct Image {
  uintptr_t low, high;
};

// Each page of the space as a letter: G, T, S, M, V for what it is a root of, . for none.
std::string draw(const std::vector<Mapping>& mappings, std::vector<std::vector<Span>> layers, size_t pages,
                 const std::vector<Image>& images = {}) {
  std::vector<Layer> tidied;
  for (auto& spans : layers) tidied.push_back(Layer{spans.data(), tidy(spans.data(), spans.size())});
  std::string drawn(pages, '.');
  uintptr_t end = 0;
  cut_regions(
      mappings.data(), mappings.size(), tidied.data(), tidied.size(),
      [&](const Mapping&, uintptr_t address) {
        for (const Image& image : images) {
          if (address >= image.low && address < image.high)
            return Default{MP_REACH_GLOBAL, 0, false, image.high};
        }
        return Default{MP_REACH_MAPPING, 0, true, UINTPTR_MAX};
      },
      [&](const Region& region) {
        EXPECT_GE(region.low, end) << "regions come in order and apart";
        end = region.high;
        for (uintptr_t at = region.low; at < region.high; at += 0x1000)
          drawn[at / 0x1000] = "?OGTSRMV"[region.reach];
      });
  return drawn;
}

TEST(Regions, EarlierLayersStandAboveLaterOnes) {
  std::vector<Mapping> mappings = parsed("2000-c000 rw-p 0 0:0 0 \nd000-f000 rw-p 0 0:0 0 \n");
  std::vector<Span> stacks = {{0x5000, 0x7000, MP_REACH_STACK, 1}, {0x7000, 0x8000, MP_REACH_TLS, 1}};
  std::vector<Span> dead = {{0x4000, 0x6000, kNoRoot, 0}, {0xa000, 0xe000, kNoRoot, 0}};
  std::vector<Span> known = {{0x9000, 0xb000, MP_REACH_V8, 0}};
  EXPECT_EQ(draw(mappings, {}, 16), "..MMMMMMMMMM.MM.");
  EXPECT_EQ(draw(mappings, {stacks, dead, known}, 16), "..MM.SSTMV....M.");
  EXPECT_EQ(draw(mappings, {known, dead}, 16), "..MM..MMMVV...M.");
}

TEST(Regions, WhatTheKernelJoinedToAnImagesDataIsNotTheImages) {
  std::vector<Mapping> mappings = parsed("2000-9000 rw-p 0 0:0 0 \n9000-c000 rw-p 0 0:0 0 \n");
  std::vector<Span> dead = {{0x3000, 0x4000, kNoRoot, 0}, {0x6000, 0x7000, kNoRoot, 0}};
  EXPECT_EQ(draw(mappings, {}, 13, {{0x1000, 0x5000}, {0x9000, 0xa000}}), "..GGGMMMMGMM.");
  EXPECT_EQ(draw(mappings, {dead}, 13, {{0x1000, 0x5000}, {0x9000, 0xa000}}), "..G.GM.MMGMM.");
  EXPECT_EQ(draw(mappings, {dead}, 13, {{0x1000, 0x3000}, {0x3000, 0xd000}}), "..G.GG.GGGGG.");
}

TEST(Regions, OverlapsOfOneLayerGoToTheFirst) {
  std::vector<Span> spans = {{30, 50, 3, 0}, {10, 40, 2, 0}, {20, 25, 4, 0}, {60, 60, 5, 0}};
  ASSERT_EQ(tidy(spans.data(), spans.size()), 2u);
  EXPECT_EQ(spans[0].low, 10u);
  EXPECT_EQ(spans[0].high, 40u);
  EXPECT_EQ(spans[1].low, 40u);
  EXPECT_EQ(spans[1].high, 50u);
}

TEST(Regions, SayOfEachPageWhatTheTopmostLayerSays) {
  std::mt19937 random(11);
  for (int round = 0; round < 500; ++round) {
    constexpr size_t kPages = 64;
    std::vector<Mapping> mappings = parsed("4000-20000 rw-p 0 0:0 0 \n22000-3f000 rw-p 0 0:0 0 \n");
    std::string expected(kPages, '.');
    for (const Mapping& mapping : mappings) {
      for (uintptr_t at = mapping.low; at < mapping.high; at += 0x1000) expected[at / 0x1000] = 'M';
    }
    std::vector<std::vector<Span>> layers(3);
    const char* letters = "?OGTSRMV";
    std::string bare = expected;
    std::string drawn(kPages, ' ');
    for (auto& spans : layers) {
      uintptr_t at = 0;
      while ((at += random() % 8) < kPages) {
        uintptr_t length = 1 + random() % 6;
        uint32_t reach = random() % 8;
        if (reach == 1 || reach == 5) reach = 0;
        spans.push_back(Span{at * 0x1000, (at + length) * 0x1000, reach, 0});
        for (uintptr_t page = at; page < at + length && page < kPages; ++page) {
          if (drawn[page] == ' ' && bare[page] == 'M') drawn[page] = reach == 0 ? '.' : letters[reach];
        }
        at += length;
      }
    }
    for (size_t page = 0; page < kPages; ++page) {
      if (drawn[page] != ' ') expected[page] = drawn[page];
    }
    ASSERT_EQ(draw(mappings, layers, kPages), expected) << round;
  }
}

}  // namespace
}  // namespace mp::scan
