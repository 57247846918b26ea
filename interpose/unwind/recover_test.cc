// Recovered stacks against the truth: generated libraries are loaded twice, once as they are and once
// with their unwind table hidden (the program header's type changed: the code is the same to the byte),
// and driven down the same random paths. What is recovered must be the truth or say that it is not all.
#include "recover.h"

#include <dlfcn.h>
#include <elf.h>
#include <gtest/gtest.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <fstream>
#include <iterator>
#include <map>
#include <random>
#include <sstream>
#include <string>
#include <vector>

#include "../modules/modules.h"
#include "../ring/test_session.h"
#include "../stacks/table.h"
#include "walk.h"

namespace mp::unwind {
namespace {

constexpr int kFunctions = 48;

// A C source full of what makes frames differ. Every decision is taken from a random sequence that the
// caller seeds, so that two loads of it go the same way.
std::string generate(unsigned seed) {
  std::mt19937 random(seed);
  auto pick = [&random](unsigned below) { return random() % below; };
  std::ostringstream out;
  out << R"(
#include <alloca.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
typedef struct { unsigned state; int depth; void (*leaf)(void); } Run;
static unsigned next(Run* run) { run->state = run->state * 1664525u + 1013904223u; return run->state >> 8; }
struct Big { long words[9]; };
typedef long (*Function)(Run*, long, long);
static volatile long sink;
static Run* current;
__attribute__((noinline, noreturn)) static void die(Run* run, long why) { sink = why; (void)run; abort(); }
__attribute__((noinline, noreturn, cold)) static void die_cold(long why) { sink = why + 1; abort(); }
)";
  for (int i = 0; i < kFunctions; ++i) out << "static long f" << i << "(Run* run, long a, long b);\n";
  out << "static const Function table[] = {";
  for (int i = 0; i < kFunctions; ++i) out << "f" << i << ",";
  out << R"(};
__attribute__((noinline)) static long any(Run* run, long a, long b) {
  return table[next(run) % (sizeof table / sizeof *table)](run, a, b);
}
__attribute__((noinline)) static long many(Run* run, long a, long b, long c, long d, long e, long g, long h, struct Big big) {
  return any(run, a + c + d, b + e + g + h + big.words[3]) + big.words[8];
}
__attribute__((noinline)) static long variable(Run* run, int count, ...) {
  va_list list;
  va_start(list, count);
  long sum = 0;
  for (int i = 0; i < count; ++i) sum += va_arg(list, long);
  va_end(list);
  return any(run, sum, count) + sum;
}
__attribute__((noinline)) static double floating(Run* run, double x, double y) {
  return any(run, (long)x, (long)y) * x + y;
}
static int compare(const void* left, const void* right) {
  long a = *(const long*)left, b = *(const long*)right;
  if (current->depth > 0 && (next(current) & 3) == 0) any(current, a, b);
  return (a > b) - (a < b);
}
)";
  for (int i = 0; i < kFunctions; ++i) {
    auto other = [&] { return "f" + std::to_string(pick(kFunctions)); };
    out << "__attribute__((noinline)) static long f" << i << "(Run* run, long a, long b) {\n"
        << "  if (--run->depth <= 0) { run->leaf(); run->depth++; return a ^ b; }\n"
        << "  long r = a;\n";
    bool tail = false;
    for (unsigned statements = 1 + pick(3); statements > 0 && !tail; --statements) {
      switch (pick(15)) {
        case 0:
          out << "  { volatile char room[" << 16 + pick(9000)
              << "]; room[a & 15] = 1; room[3] = 2; r += " << other() << "(run, r, room[3]); }\n";
          break;
        case 1:
          out << "  { char* room = alloca(16 + (next(run) & 255)); memset(room, (int)a, 16); r += " << other()
              << "(run, room[2], b); sink = room[5]; }\n";
          break;
        case 2:
          out << "  switch (next(run) % 9) {\n";
          for (int c = 0; c < 8; ++c)
            out << "    case " << c << ": r += " << other() << "(run, b + " << c * 3 << ", a); break;\n";
          out << "    default: r ^= 77; }\n";
          break;
        case 3:
          out << "  for (unsigned i = next(run) % 3; i > 0; --i) r += " << other() << "(run, r + i, b);\n";
          break;
        case 4:
          out << "  { struct Big big; memset(&big, (int)a, sizeof big); r += many(run, 1, a, b, r, a * b, a "
                 "- b, r * 3, big); }\n";
          break;
        case 5:
          out << "  r += variable(run, 4, a, b, r, a + b) + variable(run, 9, a, b, a, b, a, b, a, b, r);\n";
          break;
        case 6:
          out << "  if (a == 0x123456789abcL) die(run, b);\n  r += " << other() << "(run, r, r);\n";
          break;
        case 7:
          out << "  if (__builtin_expect(b == 0x123456789abcL, 0)) { sink = a; if (next(run) & 1) r += "
              << other() << "(run, 1, 2); else die_cold(r); }\n  r += any(run, b, r);\n";
          break;
        case 8:
          out << "  { long values[6] = {a, b, r, a ^ b, 7, 3}; current = run; qsort(values, 6, sizeof(long), "
                 "compare); r += values[2]; }\n";
          break;
        case 9:
          out << "  { _Alignas(64) volatile long wide[16]; for (int i = 0; i < 16; ++i) wide[i] = a + i; r "
                 "+= "
              << other() << "(run, wide[2], r) + wide[r & 7]; }\n";
          break;
        case 10:
          out << "  r += (long)floating(run, (double)a * 0.5, (double)r);\n";
          break;
        case 11: {  // more live values than registers
          out << "  { long v0 = a * 3, v1 = b * 5, v2 = a + 9, v3 = b ^ r, v4 = r * 7, v5 = a - b;\n"
              << "    long s = " << other() << "(run, v0, v1); r += s * v2 + " << other()
              << "(run, v3, s) * v4 + v5 + v0 * v1; }\n";
          break;
        }
        case 12:
          out << "  { int n = 4 + (int)(next(run) & 63); long some[n]; some[n - 1] = a; some[0] = b; r += "
                 "any(run, some[n - 1], n); sink = some[0]; }\n";
          break;
        case 13:
          out << "  if (next(run) & 1) { r += " << other()
              << "(run, a, r); } else if (next(run) & 2) { return r; }\n";
          break;
        default:
          out << "  return " << (pick(2) == 0 ? other() : std::string("any")) << "(run, r, a + b);\n";
          tail = true;
      }
    }
    if (!tail) out << "  run->depth++;\n  return r * 3 + b;\n";
    out << "}\n";
  }
  out << "long enter(Run* run, unsigned first) { return table[first % (sizeof table / sizeof *table)](run, "
         "1, 2) + 1; }\n";
  return out.str();
}

// The same file without the one program header that leads to the unwind rows.
bool hide_rows(const std::string& from, const std::string& to) {
  std::ifstream in(from, std::ios::binary);
  std::string bytes((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
  if (bytes.size() < sizeof(Elf64_Ehdr)) return false;
  auto* header = reinterpret_cast<Elf64_Ehdr*>(bytes.data());
  bool found = false;
  for (int i = 0; i < header->e_phnum; ++i) {
    auto* segment = reinterpret_cast<Elf64_Phdr*>(bytes.data() + header->e_phoff) + i;
    if (segment->p_type != PT_GNU_EH_FRAME) continue;
    segment->p_type = PT_NULL;
    found = true;
  }
  std::ofstream(to, std::ios::binary) << bytes;
  return found;
}

struct Run {
  unsigned state;
  int depth;
  void (*leaf)();
};

struct Step {
  uint32_t kind;
  uint64_t place;  // offset in the library; anywhere else: module and offset
  bool operator==(const Step& other) const { return place == other.place; }
};

struct Drive {
  uintptr_t base;
  uint32_t moduleId;
  bool quick;
  int leaves;
  Run* run;
  std::vector<std::vector<Step>> stacks;
};
Drive g_drive;

constexpr int kMaxLeaves = 400;

__attribute__((noinline)) uint32_t hook(bool isQuick) {
  ThreadState* state = thread::current();
  Entry entry{reinterpret_cast<uintptr_t>(__builtin_frame_address(0))};
  uint32_t id = isQuick ? take(state->walker, entry) : take_slowly(state->walker, entry);
  __asm__ volatile("" ::: "memory");
  return id;
}

void leaf() {
  if (g_drive.leaves++ >= kMaxLeaves) {
    // Enough of this path: every call from now on is a leaf.
    g_drive.run->depth = -1000000;
    return;
  }
  std::vector<Step> steps;
  for (uint32_t id = hook(g_drive.quick); id != 0; id = stacks::node(id).parent) {
    uint64_t frame = stacks::node(id).frame;
    auto kind = static_cast<uint32_t>(frame >> 60);
    uint64_t place = frame & ((UINT64_C(1) << 60) - 1);
    if (kind != MP_FRAME_MARKER) {
      // A mark apart keeps the library's offsets from being taken for another module's.
      if ((place >> 40) == g_drive.moduleId) place = (place & ((UINT64_C(1) << 40) - 1)) | UINT64_C(1) << 63;
    }
    steps.push_back(Step{kind, place});
  }
  g_drive.stacks.push_back(std::move(steps));
}

void drive(const std::string& path, unsigned seed, bool isQuick) {
  void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  ASSERT_NE(library, nullptr) << dlerror();
  modules::rescan();
  auto enter = reinterpret_cast<long (*)(Run*, unsigned)>(dlsym(library, "enter"));
  const modules::Module* module = modules::find(reinterpret_cast<uintptr_t>(enter));
  ASSERT_NE(module, nullptr);
  g_drive = Drive{module->base, module->id, isQuick, 0, nullptr, {}};
  std::mt19937 random(seed);
  for (int i = 0; i < 12 && g_drive.leaves < kMaxLeaves; ++i) {
    // Not much deeper: every level may call more than once.
    Run run{static_cast<unsigned>(random()), 3 + static_cast<int>(random() % 6), leaf};
    g_drive.run = &run;
    enter(&run, static_cast<unsigned>(random()));
  }
  // Not closed: the two loads must not share an address.
}

struct Sum {
  int complete = 0, partial = 0, invented = 0, recovered = 0;
  std::map<uint64_t, int> ends;
};

// Every frame of `seen` must be a frame of `truth`, in its order; without a gap, from the leaf on without
// leaving one out.
void judge(const std::vector<Step>& truth, const std::vector<Step>& seen, Sum* sum) {
  size_t t = 0;
  bool mayMiss = false;
  bool isPartial = false;
  for (const Step& step : seen) {
    if (step.kind == MP_FRAME_MARKER) {
      if (t > 0) ++sum->ends[truth[t - 1].place];
      isPartial = true;
      mayMiss = mayMiss || step.place == MP_MARKER_GAP;
      continue;
    }
    if (step.kind == MP_FRAME_NATIVE_RECOVERED) ++sum->recovered;
    while (mayMiss && t < truth.size() && !(truth[t] == step)) ++t;
    if (t == truth.size() || !(truth[t] == step)) {
      ++sum->invented;
      return;
    }
    ++t;
  }
  if (!isPartial && t != truth.size()) {
    ++sum->invented;  // an end that is none
  } else if (isPartial) {
    ++sum->partial;
  } else {
    ++sum->complete;
  }
}

std::string draw(const std::vector<Step>& truth, const std::vector<Step>& seen) {
  std::ostringstream out;
  out << std::hex;
  for (size_t i = 0; i < truth.size() || i < seen.size(); ++i) {
    out << "\n  ";
    if (i < truth.size()) out << truth[i].place;
    out << "  ";
    if (i < seen.size()) out << seen[i].kind << ":" << seen[i].place;
  }
  return out.str();
}

class Recover : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override { test::join(); }
};

TEST_P(Recover, FindsTheTrueCallersOrSaysThatItDoesNot) {
  char folder[] = "/tmp/memprof-recover-XXXXXX";
  ASSERT_NE(mkdtemp(folder), nullptr);
  std::string flags = GetParam();
  unsigned seeds = 4;
  if (const char* more = getenv("MEMPROF_RECOVER_SEEDS")) seeds = static_cast<unsigned>(atoi(more));
  Sum sum;
  for (unsigned seed = 1; seed <= seeds; ++seed) {
    std::string name = std::string(folder) + "/g" + std::to_string(seed);
    std::ofstream(name + ".c") << generate(seed * 7919 + static_cast<unsigned>(flags.size()));
    std::string command =
        flags + " -w -std=gnu11 -shared -fPIC -fasynchronous-unwind-tables -o " + name + ".so " + name + ".c";
    ASSERT_EQ(system(command.c_str()), 0) << command;
    ASSERT_TRUE(hide_rows(name + ".so", name + ".bare.so"));
    std::vector<std::vector<Step>> truth;
    for (int pass = 0; pass < 3; ++pass) {
      // One call for all passes: the frames above the library are the same to the byte.
      drive(name + (pass == 0 ? ".so" : ".bare.so"), seed, pass == 1);
      if (pass == 0) {
        truth = g_drive.stacks;
        ASSERT_GT(truth.size(), 10u);
        for (const auto& stack : truth) {
          ASSERT_GT(stack.size(), 3u);
          for (const Step& step : stack) ASSERT_EQ(step.kind, static_cast<uint32_t>(MP_FRAME_NATIVE));
        }
        continue;
      }
      ASSERT_EQ(g_drive.stacks.size(), truth.size());
      for (size_t i = 0; i < truth.size(); ++i) {
        int before = sum.invented;
        judge(truth[i], g_drive.stacks[i], &sum);
        if (sum.invented != before && before < 3)
          ADD_FAILURE() << name << " pass " << pass << " stack " << i << draw(truth[i], g_drive.stacks[i]);
      }
    }
  }
  RecordProperty("complete", sum.complete);
  RecordProperty("partial", sum.partial);
  printf("  %s: %d complete, %d partial, %d invented, %d frames recovered\n", flags.c_str(), sum.complete,
         sum.partial, sum.invented, sum.recovered);
  if (getenv("MEMPROF_RECOVER_SEEDS"))
    for (auto& [place, n] : sum.ends) printf("  END %d %lx\n", n, place);
  EXPECT_EQ(sum.invented, 0);
  EXPECT_GT(sum.recovered, 0);
  EXPECT_GT(sum.complete, 9 * sum.partial);
  if (!testing::Test::HasFailure()) {
    ASSERT_EQ(system((std::string("rm -rf ") + folder).c_str()), 0);
  } else {
    printf("  kept: %s\n", folder);
  }
}

INSTANTIATE_TEST_SUITE_P(Flags, Recover,
                         testing::Values("cc -O2 -fomit-frame-pointer", "cc -O0",
                                         "cc -O1 -fno-omit-frame-pointer", "cc -O3 -mavx2", "cc -Os -fno-plt",
                                         "cc -O2 -fcf-protection=full -fno-reorder-blocks-and-partition",
                                         "cc -O2 -fno-optimize-sibling-calls -fstack-protector-all",
                                         "cc -O2 -falign-functions=1 -fno-jump-tables"));

}  // namespace
}  // namespace mp::unwind
