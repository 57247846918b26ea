#include "heap_walk.h"

#include <gtest/gtest.h>
#include <malloc.h>
#include <sys/mman.h>

#include <map>
#include <string>
#include <vector>

#include "guard.h"

namespace mp::scan {
namespace {

// A heap drawn as text: one letter a chunk. U used and live, K kept by tcache, O used by nobody known, F free,
// P used, with a pool's block in it, T top, | fence, ? a broken header. Each chunk has 64 bytes but those followed by a digit: that many times 64.
class Drawn {
 public:
  explicit Drawn(const std::string& text) {
    guard_reads();
    memory_ =
        static_cast<char*>(mmap(nullptr, kBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    heap_.low = reinterpret_cast<uintptr_t>(memory_);
    heap_.arena = heap_.low + 0x30;
    heap_.firstChunk = heap_.low + 0x1000;
    heap_.isMain = true;
    uintptr_t at = heap_.firstChunk;
    bool isPreviousInUse = true;
    for (size_t i = 0; i < text.size(); ++i) {
      uint64_t size = 64;
      char kind = text[i];
      if (i + 1 < text.size() && isdigit(text[i + 1]) != 0) size *= static_cast<uint64_t>(text[++i] - '0');
      if (kind == 'T') {
        heap_.top = at;
        size = 3 * MP_PAGE - at % MP_PAGE;
      }
      if (kind == '|') size = 16;
      if (kind == '?') size = 24;
      word(at + 8) = size | (isPreviousInUse ? 1 : 0);
      isPreviousInUse = kind != 'F';
      if (kind == 'U') {
        addresses_.push_back(at + 16);
        sizes_.push_back(40);
      }
      if (kind == 'P') {
        // A block with a pool's at its very beginning.
        for (uint64_t bytes : {40, 16}) {
          addresses_.push_back(at + 16);
          sizes_.push_back(bytes);
          flags_.resize(addresses_.size());
        }
        flags_.back() = MP_BLOCK_POOL;
      }
      if (kind == 'K') word(at + 24) = kKey;
      at += size;
    }
    heap_.high = round_up(at, MP_PAGE);
    pages_.assign(kBytes / MP_PAGE / 64 + 1, ~uint64_t{0});
    index_.build(addresses_.data(), sizes_.data(), static_cast<uint32_t>(addresses_.size()));
  }
  ~Drawn() { munmap(memory_, kBytes); }

  HeapRow walk() {
    TcacheKeys keys{};
    keys.key = kKey;
    HeapRow row;
    walk_heap(heap_,
              LiveBlocks{&index_, addresses_.data(), sizes_.data(), flags_.empty() ? nullptr : flags_.data()},
              PageBits{heap_.low, heap_.low + kBytes, pages_.data()}, keys, 36, &row);
    return row;
  }

  static uint64_t& word(uintptr_t at) { return *reinterpret_cast<uint64_t*>(at); }
  Heap heap_{};
  std::vector<uint64_t> pages_;
  static constexpr uint64_t kKey = 0x1234567890abcdef;

 private:
  static constexpr size_t kBytes = 1u << 20;
  char* memory_;
  std::vector<uint64_t> addresses_, sizes_;
  std::vector<uint8_t> flags_;
  BlockIndex index_;
};

std::string counts(const HeapRow& row) {
  std::string text;
  const char* names[] = {"info", "live", "tcache", "fast", "other", "free", "top"};
  for (int part = 1; part < MP_PART_COUNT; ++part)
    text += std::string(part == 1 ? "" : " ") + names[part] + " " + std::to_string(row.count[part]);
  return text;
}

uint64_t sum(const uint64_t (&parts)[MP_PART_COUNT]) {
  uint64_t total = 0;
  for (uint64_t part : parts) total += part;
  return total;
}

TEST(HeapWalk, TellsPartsApartAndTheyAddUp) {
  Drawn drawn("UUKFUO2F4UT");
  HeapRow row = drawn.walk();
  EXPECT_EQ(counts(row), "live 4 tcache 1 fast 0 other 1 free 2 top 1");
  EXPECT_EQ(row.bytes[MP_PART_LIVE], 4 * 64u);
  EXPECT_EQ(row.liveAskedBytes, 4 * 40u);
  EXPECT_EQ(row.bytes[MP_PART_FREE], 5 * 64u);
  EXPECT_EQ(row.largestFreeBytes, 4 * 64u);
  EXPECT_EQ(row.flags, static_cast<uint32_t>(MP_WALK_MAIN | MP_WALK_WHOLE | MP_WALK_LAST));
  EXPECT_EQ(sum(row.bytes), row.high - row.low);
  EXPECT_EQ(sum(row.resident), row.high - row.low);
}

TEST(HeapWalk, EndsAtTheFenceOfAHeapThatIsNotTheLast) {
  Drawn drawn("UFU|");
  HeapRow row = drawn.walk();
  EXPECT_EQ(counts(row), "live 2 tcache 0 fast 0 other 0 free 1 top 0");
  EXPECT_EQ(row.flags & (MP_WALK_WHOLE | MP_WALK_LAST), static_cast<uint32_t>(MP_WALK_WHOLE));
  EXPECT_EQ(sum(row.bytes), row.high - row.low);
}

TEST(HeapWalk, SaysHowFarItCameWhereAHeaderMakesNoSense) {
  Drawn drawn("UUF?UUT");
  HeapRow row = drawn.walk();
  EXPECT_EQ(row.flags & MP_WALK_WHOLE, 0u);
  EXPECT_EQ(row.count[MP_PART_LIVE], 2u);
  EXPECT_EQ(sum(row.bytes), row.high - row.low);
}

TEST(HeapWalk, TakesMallocsBlockWhereAPoolsBeginsAtTheSamePlace) {
  HeapRow row = Drawn("PFT").walk();
  EXPECT_EQ(row.count[MP_PART_LIVE], 1u);
  EXPECT_EQ(row.liveAskedBytes, 40u);
}

TEST(HeapWalk, CountsPagesThatAreThere) {
  Drawn drawn("UUUUT");
  drawn.pages_.assign(drawn.pages_.size(), 0);
  drawn.pages_[0] = 0b10;  // the page of the chunks
  HeapRow row = drawn.walk();
  EXPECT_EQ(row.resident[MP_PART_LIVE], 4 * 64u);
  EXPECT_EQ(row.liveAskedResidentBytes, 4 * 40u);
  EXPECT_EQ(row.resident[MP_PART_TOP], MP_PAGE - 4 * 64u);
  EXPECT_EQ(row.resident[MP_PART_INFO], 0u);
}

TEST(HeapWalk, SurvivesAnyBytes) {
  Drawn drawn("UUKFUO2F4UF2U9F9UUT");
  uint64_t seed = 88172645463325252u;
  for (int round = 0; round < 4000; ++round) {
    seed ^= seed << 13, seed ^= seed >> 7, seed ^= seed << 17;
    Drawn::word(drawn.heap_.firstChunk + (seed % 512) * 8) = seed >> (seed % 60);
    HeapRow row = drawn.walk();
    ASSERT_EQ(sum(row.bytes), row.high - row.low) << round;
    ASSERT_EQ(sum(row.resident), row.high - row.low) << round;
  }
}

// The real thing, in an arena of this thread's process: the allocator's own figures are the truth.
TEST(HeapWalk, AgreesWithTheAllocatorsOwnFigures) {
  guard_reads();
  std::map<uintptr_t, uint64_t> blocks;
  std::vector<void*> all;
  for (uint64_t i = 0; i < 5000; ++i) all.push_back(malloc(24 + i * 37 % 900));
  for (size_t i = 0; i < all.size(); ++i) {
    if (i % 2 == 0) free(all[i]);
  }
  struct mallinfo2 truth = mallinfo2();
  // Every chunk counts as somebody's: what is free, and what the top has, must be the allocator's own.
  uintptr_t top = reinterpret_cast<uintptr_t>(sbrk(0));
  uintptr_t low = 0;
  FILE* maps = fopen("/proc/self/maps", "r");
  char line[512];
  while (fgets(line, sizeof line, maps) != nullptr) {
    if (strstr(line, "[heap]") != nullptr) low = strtoul(line, nullptr, 16);
  }
  fclose(maps);
  ASSERT_NE(low, 0u);
  // The top is found by walking: the chunk that ends at the break.
  Heap heap{low, top, low, low, 0, true};
  for (uintptr_t at = low; at < top;) {
    uint64_t size = *reinterpret_cast<uint64_t*>(at + 8) & ~uint64_t{7};
    ASSERT_GT(size, 0u);
    heap.top = at;
    at += size;
  }
  std::vector<uint64_t> bits((top - low) / MP_PAGE / 64 + 2, ~uint64_t{0});
  BlockIndex none;
  none.build(nullptr, nullptr, 0);
  TcacheKeys keys{};
  learn_tcache(heap, &keys);
  HeapRow row;
  walk_heap(heap, LiveBlocks{&none, nullptr, nullptr, nullptr}, PageBits{low, top, bits.data()}, keys, 0,
            &row);
  EXPECT_NE(row.flags & MP_WALK_WHOLE, 0u);
  EXPECT_NEAR(static_cast<double>(row.bytes[MP_PART_FREE] + row.bytes[MP_PART_TOP]),
              static_cast<double>(truth.fordblks - truth.fsmblks), 8192);
  EXPECT_GT(row.count[MP_PART_TCACHE], 0u);
  for (size_t i = 1; i < all.size(); i += 2) free(all[i]);
}

}  // namespace
}  // namespace mp::scan
