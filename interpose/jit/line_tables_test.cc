// What the reader will decode must be what V8 announced.
#include "line_tables.h"

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

using namespace mp::jit;

namespace {

// A reader of MP_META_CODE_LINES as wire.h words it, and a script whose lines end where it says.
struct Reader {
  std::vector<uint32_t> lineStarts;
  int calls = 0;
  size_t largestRecord = 0;
  std::vector<std::pair<uint32_t, uint32_t>> entries;  // offset, position
  struct Run {
    uint32_t position;
    int line, column;
  };
  std::vector<Run> runs;

  LinePlace true_place(uint32_t position) const {
    auto after = std::upper_bound(lineStarts.begin(), lineStarts.end(), position);
    int line = static_cast<int>(after - lineStarts.begin());
    return {line, static_cast<int>(position - *std::prev(after)) + 1};
  }
  LinePlace decoded_place(uint32_t position) const {
    auto after = std::upper_bound(runs.begin(), runs.end(), position,
                                  [](uint32_t p, const Run& run) { return p < run.position; });
    if (after == runs.begin()) return {0, 0};
    const Run& run = *std::prev(after);
    return {run.line, run.column + static_cast<int>(position - run.position)};
  }
  LineSink sink(bool hasLines) { return {this, hasLines ? place : nullptr, publish}; }
  static bool place(void* self, uint32_t position, LinePlace* found) {
    static_cast<Reader*>(self)->calls++;
    *found = static_cast<Reader*>(self)->true_place(position);
    return true;
  }
  static void publish(void* context, uint32_t entryCount, uint32_t runCount, const uint8_t* bytes,
                      size_t byteCount) {
    auto* self = static_cast<Reader*>(context);
    self->largestRecord = std::max(self->largestRecord, byteCount);
    const uint8_t* at = bytes;
    auto varint = [&at] {
      uint32_t value = 0;
      for (int shift = 0;; shift += 7) {
        value |= static_cast<uint32_t>(*at & 0x7f) << shift;
        if ((*at++ & 0x80) == 0) return value;
      }
    };
    auto zigzag = [&varint] {
      uint32_t value = varint();
      return static_cast<int32_t>(value >> 1 ^ (0 - (value & 1)));
    };
    uint32_t offset = 0, position = 0;
    for (uint32_t i = 0; i < entryCount; i++) {
      offset += varint();
      position += static_cast<uint32_t>(zigzag());
      self->entries.push_back({offset, position});
    }
    position = 0;
    int line = 0, column = 0;
    for (uint32_t i = 0; i < runCount; i++) {
      position += varint();
      line += zigzag();
      column = static_cast<int>(varint());
      self->runs.push_back({position, line, column});
    }
    EXPECT_EQ(at, bytes + byteCount);
  }
};

std::unique_ptr<LineTables> make_tables() { return std::unique_ptr<LineTables>(new LineTables()); }

LineTable* table_of(LineTables& tables, const std::vector<std::pair<size_t, size_t>>& entries) {
  LineTable* table = tables.begin();
  for (auto [offset, position] : entries) LineTables::add(table, offset, position);
  return table;
}

}  // namespace

TEST(LineTables, ATableWaitsForItsCode) {
  auto tables = make_tables();
  tables->end(table_of(*tables, {{0, 10}, {4, 20}}), 0x1000);
  tables->end(table_of(*tables, {{0, 30}}), 0x2000);
  EXPECT_EQ(tables->take(0x3000), nullptr);
  LineTable* found = tables->take(0x1000);
  ASSERT_NE(found, nullptr);
  EXPECT_EQ(found->count, 2u);
  EXPECT_EQ(found->entries[1].position, 20u);
  tables->give_back(found);
  EXPECT_EQ(tables->take(0x1000), nullptr);
}

TEST(LineTables, ATableFollowsItsCodeWhenThatMoves) {
  auto tables = make_tables();
  tables->end(table_of(*tables, {{0, 10}}), 0x1000);
  tables->end(table_of(*tables, {{0, 99}}), 0x5000);
  tables->move(0x1000, 0x5000);
  EXPECT_EQ(tables->take(0x1000), nullptr);
  LineTable* found = tables->take(0x5000);
  ASSERT_NE(found, nullptr);
  EXPECT_EQ(found->entries[0].position, 10u) << "what stood there before was never announced";
  tables->give_back(found);
}

TEST(LineTables, TheLastTableAtAnAddressCounts) {
  auto tables = make_tables();
  tables->end(table_of(*tables, {{0, 10}}), 0x1000);
  tables->end(table_of(*tables, {{0, 11}}), 0x1000);
  LineTable* found = tables->take(0x1000);
  ASSERT_NE(found, nullptr);
  EXPECT_EQ(found->entries[0].position, 11u);
  tables->give_back(found);
  EXPECT_EQ(tables->take(0x1000), nullptr);
}

TEST(LineTables, KeepsWhatALookupNeeds) {
  auto tables = make_tables();
  LineTable* table =
      table_of(*tables, {{SIZE_MAX, 1}, {0, 7}, {0, 8}, {4, 8}, {6, 3}, {2, 50}, {9, SIZE_MAX}});
  ASSERT_EQ(table->count, 2u) << "no entry of the function itself, none that says the same, none that falls";
  EXPECT_EQ(table->entries[0].position, 8u) << "the last at an offset";
  EXPECT_EQ(table->entries[1].offset, 6u);
  tables->end(table, 0x1000);
}

TEST(LineTables, AnEmptyTableIsNone) {
  auto tables = make_tables();
  tables->end(tables->begin(), 0x1000);
  EXPECT_EQ(tables->take(0x1000), nullptr);
}

TEST(LineTables, AnyTableComesOutAsItWentIn) {
  auto tables = make_tables();
  for (unsigned seed = 0; seed < 60; seed++) {
    std::mt19937 random(seed);
    Reader reader;
    reader.lineStarts = {0};
    uint32_t sourceLength = 20 + random() % (seed % 3 == 0 ? 200u : 200000u);
    while (reader.lineStarts.back() < sourceLength) {
      reader.lineStarts.push_back(reader.lineStarts.back() + 1 + random() % (seed % 2 == 0 ? 60 : 6000));
    }
    std::map<uint32_t, uint32_t> model;
    LineTable* table = tables->begin();
    uint32_t offset = 0, count = seed < 50 ? 1 + random() % 300 : 20000;
    for (uint32_t i = 0; i < count; i++) {
      uint32_t position = random() % sourceLength;
      LineTables::add(table, offset, position);
      model[offset] = position;
      offset += random() % 40;
    }
    tables->end(table, 0x1000 + seed);
    table = tables->take(0x1000 + seed);
    ASSERT_NE(table, nullptr);
    publish_table(table, reader.sink(true));
    tables->give_back(table);
    EXPECT_LE(reader.largestRecord, 2048u);
    for (auto [at, position] : model) {
      auto after = std::upper_bound(reader.entries.begin(), reader.entries.end(), at,
                                    [](uint32_t o, const auto& entry) { return o < entry.first; });
      ASSERT_NE(after, reader.entries.begin());
      ASSERT_EQ(std::prev(after)->second, position) << "seed " << seed << " offset " << at;
      LinePlace expected = reader.true_place(position), found = reader.decoded_place(position);
      ASSERT_EQ(found.line, expected.line) << "seed " << seed << " position " << position;
      ASSERT_EQ(found.column, expected.column) << "seed " << seed << " position " << position;
    }
  }
}

TEST(LineTables, LongLinesCostFewQuestions) {
  auto tables = make_tables();
  Reader reader;
  reader.lineStarts = {0, 1u << 20};
  LineTable* table = tables->begin();
  for (uint32_t i = 0; i < 10000; i++) LineTables::add(table, i * 3, 100 + i * 7);
  publish_table(table, reader.sink(true));
  EXPECT_EQ(reader.runs.size(), 1u);
  EXPECT_LT(reader.calls, 64);
  tables->give_back(table);
}

TEST(LineTables, WithoutAnybodyToAskOnlyPositionsAreSent) {
  auto tables = make_tables();
  Reader reader;
  LineTable* table = table_of(*tables, {{0, 10}, {4, 5}});
  publish_table(table, reader.sink(false));
  EXPECT_EQ(reader.entries.size(), 2u);
  EXPECT_TRUE(reader.runs.empty());
  tables->give_back(table);
}

TEST(LineTables, ThreadsThatCompileAtOnceDoNotMixTheirTables) {
  auto tables = make_tables();
  std::vector<std::thread> threads;
  std::atomic<int> wrong{0};
  for (uintptr_t t = 0; t < 4; t++) {
    threads.emplace_back([&, t] {
      for (uintptr_t i = 0; i < 3000; i++) {
        uintptr_t start = (t << 32) + i * 64;
        LineTable* table = tables->begin();
        for (size_t k = 0; k <= i % 500; k++) LineTables::add(table, k, start % 100000 + k);
        tables->end(table, start);
        table = tables->take(start);
        if (table == nullptr || table->count != i % 500 + 1 || table->entries[0].position != start % 100000)
          wrong++;
        if (table != nullptr) tables->give_back(table);
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
}
