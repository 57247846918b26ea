// The map against a naive model, and jit.cc against a made-up V8 whose symbols this test defines.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "../wire.h"
#include "code_map.h"
#include "jit.h"
#include "v8_api.h"

using mp::jit::CodeMap;
using mp::jit::CodeRange;
using namespace mp::jit::v8api;

namespace {

// Too large for a stack, and all zero is empty, as in the shim's static storage.
std::unique_ptr<CodeMap> make_map() { return std::unique_ptr<CodeMap>(new CodeMap()); }

uint32_t id_at(const CodeMap& map, uintptr_t address) {
  CodeRange found;
  return map.find(address, &found) ? found.id : 0;
}

constexpr uintptr_t kBase = 0x7f0000400000;

}  // namespace

TEST(CodeMap, CoversEachByteOfARangeAndNoneBesideIt) {
  auto map = make_map();
  ASSERT_TRUE(map->add({kBase + 64, 100, 7, 2, 9}));
  EXPECT_EQ(id_at(*map, kBase + 63), 0u);
  EXPECT_EQ(id_at(*map, kBase + 64), 7u);
  EXPECT_EQ(id_at(*map, kBase + 163), 7u);
  EXPECT_EQ(id_at(*map, kBase + 164), 0u);
  EXPECT_EQ(id_at(*map, 0), 0u);
  EXPECT_EQ(id_at(*map, ~uintptr_t{0}), 0u);
}

TEST(CodeMap, AnAddressUsedAgainNeverNamesTheOldFunction) {
  auto map = make_map();
  map->add({kBase, 4096, 1, 0, 0});
  map->add({kBase + 1024, 64, 2, 0, 0});
  EXPECT_EQ(id_at(*map, kBase + 1024), 2u);
  EXPECT_EQ(id_at(*map, kBase), 0u);
  EXPECT_EQ(id_at(*map, kBase + 4095), 0u);
}

TEST(CodeMap, AMovedRangeKeepsItsIdAndStaysKnownAtItsOldPlaceUntilThatIsUsedAgain) {
  auto map = make_map();
  map->add({kBase, 256, 1, 0, 0});
  ASSERT_TRUE(map->move(kBase, kBase + 0x100000));
  EXPECT_EQ(id_at(*map, kBase + 0x100000 + 255), 1u);
  EXPECT_EQ(id_at(*map, kBase + 255), 1u);
  map->add({kBase + 128, 32, 2, 0, 0});
  EXPECT_EQ(id_at(*map, kBase), 0u);
  EXPECT_EQ(id_at(*map, kBase + 128), 2u);
  EXPECT_EQ(id_at(*map, kBase + 0x100000), 1u);
  EXPECT_FALSE(map->move(kBase + 4, kBase + 0x200000)) << "nothing starts there";
}

TEST(CodeMap, AMoveOverItsOwnOldPlaceIsWhole) {
  auto map = make_map();
  map->add({kBase, 256, 1, 0, 0});
  ASSERT_TRUE(map->move(kBase, kBase + 128));
  EXPECT_EQ(id_at(*map, kBase), 0u);
  EXPECT_EQ(id_at(*map, kBase + 128), 1u);
  EXPECT_EQ(id_at(*map, kBase + 383), 1u);
}

TEST(CodeMap, ForgetsWhatAnUnmappedRangeTouches) {
  auto map = make_map();
  map->add({kBase, 8192, 1, 0, 0});
  map->add({kBase + 0x10000000000, 64, 2, 0, 0});
  EXPECT_TRUE(map->is_untouched(kBase + 8192, kBase + 0x8000000000));
  EXPECT_FALSE(map->is_untouched(kBase + 4096, kBase + 8192));
  map->forget(kBase + 4096, kBase + 0x20000000000);
  EXPECT_EQ(id_at(*map, kBase), 0u);
  EXPECT_EQ(id_at(*map, kBase + 0x10000000000), 0u);
}

TEST(CodeMap, RefusesEmptyRangesAndImpossibleAddresses) {
  auto map = make_map();
  EXPECT_FALSE(map->add({kBase, 0, 1, 0, 0}));
  EXPECT_FALSE(map->add({uintptr_t{1} << 47, 64, 1, 0, 0}));
  EXPECT_FALSE(map->add({~uintptr_t{0} - 8, 64, 1, 0, 0}));
  EXPECT_TRUE(map->add({(uintptr_t{1} << 47) - 64, 64, 1, 0, 0}));
}

// Growth: more ranges than one chunk of slots, spread over many leaves.
TEST(CodeMap, HoldsTensOfThousandsOfRangesFarApart) {
  auto map = make_map();
  for (uint32_t i = 1; i <= 20000; i++) ASSERT_TRUE(map->add({kBase + i * uintptr_t{70016}, 96, i, 0, i}));
  for (uint32_t i = 1; i <= 20000; i++) ASSERT_EQ(id_at(*map, kBase + i * uintptr_t{70016} + 95), i);
}

TEST(CodeMap, AgreesWithANaiveModelOverRandomEvents) {
  struct Range {
    uintptr_t end;
    uint32_t id;
  };
  for (unsigned seed = 0; seed < 8; seed++) {
    std::mt19937 random(seed);
    auto map = make_map();
    std::map<uintptr_t, Range> model;
    auto cut = [&](uintptr_t low, uintptr_t high) {
      if (low == high) return;
      for (auto it = model.begin(); it != model.end();) {
        it = it->first < high && low < it->second.end ? model.erase(it) : std::next(it);
      }
    };
    // Starts on granules, as V8's alignment gives them; across the border of two leaves.
    auto address = [&] { return kBase - 0x2000 + random() % 512 * 32; };
    for (uint32_t step = 1; step <= 4000; step++) {
      uintptr_t at = address();
      switch (random() % 8) {
        case 0:
          map->remove(at);
          model.erase(at);
          break;
        case 1: {
          uintptr_t to = address();
          auto it = model.find(at);
          bool known = it != model.end();
          Range moved = known ? it->second : Range{};
          ASSERT_EQ(map->move(at, to), known);
          if (known && at != to) {
            uintptr_t length = moved.end - at;
            cut(to, to + length);
            model[to] = {to + length, moved.id};
          }
          break;
        }
        case 2: {
          uintptr_t high = at + random() % 300;
          map->forget(at, high);
          cut(at, high);
          break;
        }
        default: {
          uint32_t length = 1 + random() % 400;
          ASSERT_TRUE(map->add({at, length, step, 0, 0}));
          cut(at, at + length);
          model[at] = {at + length, step};
        }
      }
      if (step % 16 != 0) continue;
      for (uintptr_t a = kBase - 0x2000; a < kBase + 0x2000 + 512; a += 8) {
        auto it = model.upper_bound(a);
        uint32_t expected =
            it != model.begin() && a < std::prev(it)->second.end ? std::prev(it)->second.id : 0;
        ASSERT_EQ(id_at(*map, a), expected) << "seed " << seed << " step " << step << " at " << std::hex << a;
      }
    }
  }
}

TEST(CodeMap, AReaderBesideAWriterSeesOneOfTheTwoRangesOrNone) {
  auto map = make_map();
  std::atomic<bool> stop{false};
  std::thread writer([&] {
    for (uint32_t i = 0; !stop; i++) {
      bool even = i % 2 == 0;
      map->add({even ? kBase : kBase + 32, even ? 128u : 64u, even ? 1u : 2u, even ? 10u : 20u, 0});
    }
  });
  // Until the reader has had its share, however the two are scheduled.
  for (uint64_t found = 0; found < 20000;) {
    CodeRange range;
    if (!map->find(kBase + 40, &range)) continue;
    found++;
    bool isWhole = range.kind == range.id * 10 && range.start == (range.id == 1 ? kBase : kBase + 32) &&
                   range.lengthBytes == (range.id == 1 ? 128u : 64u);
    if (isWhole) continue;
    stop = true;
    writer.join();
    FAIL() << "id " << range.id << " kind " << range.kind << " start " << range.start;
  }
  stop = true;
  writer.join();
}

// ---- jit.cc over a made-up V8 -----------------------------------------------------------------

namespace {
struct Announced {
  uint32_t id, kind, isolate;
  uint64_t start;
  std::string name;
};
std::vector<Announced> announced;
Handler handler;
Isolate* current;
int attachCount;
alignas(4096) unsigned char text[3 * 4096];
alignas(4096) unsigned char copy[3 * 4096];

void send(EventType type, CodeType codeType, uintptr_t start, size_t length, const char* name,
          uintptr_t to = 0) {
  JitCodeEvent event{};
  event.type = type;
  event.codeType = codeType;
  event.codeStart = start;
  event.codeLengthBytes = length;
  event.isolate = current;
  if (type == kAdded) {
    event.name = {name, strlen(name)};
  } else {
    event.newCodeStart = to;
  }
  handler(&event);
}

uint32_t id_of(const std::string& name) {
  for (const Announced& a : announced) {
    if (a.name == name) return a.id;
  }
  return 0;
}

void announce(uint32_t id, uint32_t kind, uint64_t start, uint64_t, uint32_t isolate, const char* name,
              size_t nameBytes) {
  announced.push_back({id, kind, isolate, start, std::string(name, nameBytes)});
}

struct Lines {
  uint32_t id;
  int32_t scriptId;
  uint32_t entryCount, runCount;
};
std::vector<Lines> announcedLines;

void announce_lines(uint32_t id, int32_t scriptId, uint32_t entryCount, uint32_t runCount, const uint8_t*,
                    size_t) {
  announcedLines.push_back({id, scriptId, entryCount, runCount});
}

// V8's order: a table with its statements' positions twice, then the code.
void send_table(CodeType codeType, uintptr_t start, size_t length, const char* name, size_t lastOffset) {
  JitCodeEvent event{};
  event.type = kLineStart;
  event.codeType = codeType;
  event.isolate = current;
  handler(&event);
  event.type = kLineInfo;
  for (size_t offset : {size_t{0}, lastOffset}) {
    event.line = {offset, 100 + offset, kStatementPosition};
    handler(&event);
    event.line.positionType = kPosition;
    handler(&event);
  }
  event.type = kLineEnd;
  event.codeStart = start;
  handler(&event);
  event.type = kAdded;
  event.codeLengthBytes = length;
  event.script = reinterpret_cast<UnboundScript*>(0x7000);
  event.name = {name, strlen(name)};
  handler(&event);
}

uint64_t encoded(uint64_t kind, uint64_t id, uint64_t offset) { return kind << 60 | id << 32 | offset; }
}  // namespace

Isolate* _ZN2v87Isolate13TryGetCurrentEv() { return current; }
void _ZN2v87Isolate22SetJitCodeEventHandlerENS_19JitCodeEventOptionsEPFvPKNS_12JitCodeEventEE(Isolate*,
                                                                                              Options,
                                                                                              Handler given) {
  handler = given;
  attachCount++;
  uintptr_t at = reinterpret_cast<uintptr_t>(copy);
  send(kAdded, kJitCode, at + 0x1040, 64, "Builtin:InterpreterEntryTrampoline");
  send(kAdded, kJitCode, at + 0x1080, 64, "BytecodeHandler:CallProperty1Handler");
  send(kAdded, kJitCode, at + 0x2000, 64, "Builtin:ArrayMap");
}
int _ZNK2v813UnboundScript5GetIdEv(const UnboundScript*) { return 77; }
int _ZN2v813UnboundScript13GetLineNumberEi(UnboundScript*, int position) { return position / 10; }
int _ZN2v813UnboundScript15GetColumnNumberEi(UnboundScript*, int position) { return position % 10; }
void _ZN2v87Isolate20GetEmbeddedCodeRangeEPPKvPm(Isolate*, const void** start, size_t* length) {
  *start = text;
  *length = sizeof(text);
}

class Jit : public testing::Test {
 protected:
  void SetUp() override {
    for (size_t i = 0; i < sizeof(text); i++) copy[i] = text[i] = static_cast<unsigned char>(i * 7 + i / 256);
    mp::jit::announce_to(announce, announce_lines);
    current = reinterpret_cast<Isolate*>(0x1000);
    mp::jit::attach_current_isolate();
    words[6] = 0x123451;  // context
  }
  uintptr_t copied(size_t offset) { return reinterpret_cast<uintptr_t>(copy) + offset; }
  // A frame pointer over words: fp-0x28 is words[2], fp-0x20 words[3], fp-8 words[6].
  uintptr_t fp(uintptr_t array, uint32_t offset) {
    words[3] = array + 1;
    words[2] = uint64_t{offset} << 32;
    return reinterpret_cast<uintptr_t>(&words[7]);
  }
  uint64_t words[10] = {};
};

TEST_F(Jit, AttachesToAnIsolateOnce) {
  int before = attachCount;
  mp::jit::attach_current_isolate();
  EXPECT_EQ(attachCount, before);
  current = reinterpret_cast<Isolate*>(0x2000);
  mp::jit::attach_current_isolate();
  EXPECT_EQ(attachCount, before + 1);
  mp::jit::attach_current_isolate();
  EXPECT_EQ(attachCount, before + 1);
  EXPECT_EQ(std::count_if(announced.begin(), announced.end(),
                          [](const Announced& a) { return a.name == "Builtin:ArrayMap"; }),
            1)
      << "builtins that two isolates share are announced once";
}

TEST_F(Jit, DoesNothingWithoutAnIsolate) {
  int before = attachCount;
  current = nullptr;
  mp::jit::attach_current_isolate();
  EXPECT_EQ(attachCount, before);
}

TEST_F(Jit, ABytecodeFrameIsItsArrayAndOffset) {
  uintptr_t array = 0x31b1bf6f4ea0;
  send(kAdded, kByteCode, array + 54, 92, "JS:~first /app.js:3:1");
  send(kAdded, kByteCode, 0x31b1bf700000 + 54, 92, "JS:~second /app.js:9:1");
  EXPECT_EQ(mp::jit::frame(copied(0x1060), fp(array, 53 + 10)),
            encoded(MP_FRAME_JS_BYTECODE, id_of("JS:~first /app.js:3:1"), 10));
  EXPECT_EQ(mp::jit::frame(copied(0x1060), fp(0x31b1bf700000, 53)),
            encoded(MP_FRAME_JS_BYTECODE, id_of("JS:~second /app.js:9:1"), 0));
  // The handler runs in the same frame, unless it made its own (a frame type under fp).
  EXPECT_EQ(mp::jit::frame(copied(0x10a0), fp(array, 53 + 11)),
            encoded(MP_FRAME_JS_BYTECODE, id_of("JS:~first /app.js:3:1"), 11));
  words[6] = 24 << 1;
  EXPECT_EQ(mp::jit::frame(copied(0x10a0), fp(array, 53 + 11)),
            encoded(MP_FRAME_BUILTIN, id_of("BytecodeHandler:CallProperty1Handler"), 0x20));
}

TEST_F(Jit, BytecodeThatNobodyAnnouncedIsUnnamedNotGuessed) {
  uintptr_t pc = copied(0x1060);
  uint64_t unnamed = uint64_t{MP_FRAME_V8_UNNAMED} << 60 | pc;
  EXPECT_EQ(mp::jit::frame(pc, fp(0x31b1bf800000, 60)), unnamed);
  uintptr_t array = 0x31b1bf6f4ea0;
  EXPECT_EQ(mp::jit::frame(pc, fp(array, 53 + 92)), unnamed) << "offset after the array's end";
  EXPECT_EQ(mp::jit::frame(pc, fp(array, 3)), unnamed) << "offset in the array's header";
  EXPECT_EQ(mp::jit::frame(pc, 0),
            encoded(MP_FRAME_BUILTIN, id_of("Builtin:InterpreterEntryTrampoline"), 0x20));
}

TEST_F(Jit, MachineCodeIsNamedByReturnAddressUpToItsEnd) {
  send(kAdded, kJitCode, 0x7e0000001000, 96, "JS:*hot /app.js:7:2");
  uint32_t id = id_of("JS:*hot /app.js:7:2");
  EXPECT_EQ(mp::jit::frame(0x7e0000001010, 0), encoded(MP_FRAME_JS_CODE, id, 0x10));
  EXPECT_EQ(mp::jit::frame(0x7e0000001000 + 96, 0), encoded(MP_FRAME_JS_CODE, id, 96)) << "after a last call";
  EXPECT_EQ(mp::jit::frame(0x7e0000001000, 0), encoded(MP_FRAME_JS_CODE, id, 0))
      << "an interrupted instruction";
  EXPECT_EQ(mp::jit::frame(0x7e0000001000 + 97, 0), 0u);
  send(kMoved, kJitCode, 0x7e0000001000, 96, nullptr, 0x7e0000091000);
  EXPECT_EQ(mp::jit::frame(0x7e0000091010, 0), encoded(MP_FRAME_JS_CODE, id, 0x10));
  send(kRemoved, kJitCode, 0x7e0000091000, 0, nullptr);
  EXPECT_EQ(mp::jit::frame(0x7e0000091010, 0), 0u);
  mp::jit::forget_range(0x7e0000001000, 4096);
  EXPECT_EQ(mp::jit::frame(0x7e0000001010, 0), 0u);
}

TEST_F(Jit, TheBuiltinsInTextAreTheAnnouncedOnes) {
  uintptr_t base = reinterpret_cast<uintptr_t>(text);
  EXPECT_TRUE(mp::jit::is_interpreter_trampoline(base + 0x1060));
  EXPECT_TRUE(mp::jit::is_interpreter_trampoline(copied(0x1060)));
  EXPECT_FALSE(mp::jit::is_interpreter_trampoline(base + 0x2010));
  EXPECT_EQ(mp::jit::frame(base + 0x2010, 0), encoded(MP_FRAME_BUILTIN, id_of("Builtin:ArrayMap"), 0x10));
  EXPECT_EQ(mp::jit::frame(base + 0x10, 0), 0u);
}

TEST_F(Jit, TheSameObjectAnnouncedTwiceHasOneIdAndAnotherNameANewOne) {
  send(kAdded, kByteCode, 0x31b1c0000036, 40, "JS:~one /a.js:1:1");
  size_t count = announced.size();
  send(kAdded, kByteCode, 0x31b1c0000036, 40, "JS:~one /a.js:1:1");
  EXPECT_EQ(announced.size(), count);
  send(kAdded, kByteCode, 0x31b1c0000036, 40, "JS:~two /a.js:2:1");
  EXPECT_EQ(announced.size(), count + 1);
  EXPECT_EQ(mp::jit::frame(copied(0x1060), fp(0x31b1c0000000, 53)),
            encoded(MP_FRAME_JS_BYTECODE, id_of("JS:~two /a.js:2:1"), 0));
  EXPECT_EQ(mp::jit::code_count(), announced.back().id + 1);
}

TEST_F(Jit, LinesFollowTheirCode) {
  announcedLines.clear();
  send_table(kByteCode, 0x31b1d0000036, 40, "JS:~lined /a.js:10:3", 12);
  ASSERT_EQ(announcedLines.size(), 2u);
  EXPECT_EQ(announcedLines[0].id, id_of("JS:~lined /a.js:10:3"));
  EXPECT_EQ(announcedLines[0].scriptId, 77);
  EXPECT_EQ(announcedLines[0].entryCount, 2u);
  EXPECT_EQ(announcedLines[1].runCount, 2u);
  announcedLines.clear();
  send_table(kJitCode, 0x7e0001000000, 400, "JS:*lined /a.js:10:3", 80);
  ASSERT_EQ(announcedLines.size(), 1u) << "machine code: its positions may be another script's";
  EXPECT_EQ(announcedLines[0].runCount, 0u);
}

TEST_F(Jit, ATableThatCannotBeTheCodesIsNotSent) {
  announcedLines.clear();
  send_table(kByteCode, 0x31b1d1000036, 40, "JS:~one /a.js:10:3", 40);
  EXPECT_TRUE(announcedLines.empty()) << "an entry behind the code's end";
  send_table(kByteCode, 0x31b1d2000036, 40, "Script:~ /a.js", 12);
  ASSERT_EQ(announcedLines.size(), 1u) << "no line in the name: V8 may not have the script's lines at hand";
  EXPECT_EQ(announcedLines[0].runCount, 0u);
}

TEST_F(Jit, EventsFromSeveralThreadsAtOnceLoseNothing) {
  std::vector<std::thread> threads;
  send(kAdded, kJitCode, 0x7d0000000000, 64, "JS:*seed /a.js:1:1");
  for (uintptr_t t = 0; t < 4; t++) {
    send(kAdded, kJitCode, 0x7d0100000000 + t * 64, 64, ("JS:*f" + std::to_string(t) + " /a.js:1:1").c_str());
    threads.emplace_back([t] {
      uintptr_t at = 0x7d0100000000 + t * 64;
      for (uintptr_t i = 1; i <= 5000; i++) {
        uintptr_t to = 0x7d0100000000 + (i * 4 + t) * 64;
        send(kMoved, kJitCode, at, 64, nullptr, to);
        at = to;
      }
    });
  }
  for (auto& thread : threads) thread.join();
  for (uintptr_t t = 0; t < 4; t++) {
    uint32_t id = id_of("JS:*f" + std::to_string(t) + " /a.js:1:1");
    EXPECT_EQ(mp::jit::frame(0x7d0100000000 + (20000 + t) * 64 + 8, 0), encoded(MP_FRAME_JS_CODE, id, 8));
  }
}
