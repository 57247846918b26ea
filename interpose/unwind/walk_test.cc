#include "walk.h"

#include <dlfcn.h>
#include <execinfo.h>
#include <gtest/gtest.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <ucontext.h>

#include <algorithm>
#include <functional>
#include <mutex>
#include <random>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "../modules/modules.h"
#include "../ring/test_session.h"
#include "../stacks/table.h"
#include "buffers.h"

namespace mp::unwind {
namespace {

// A stack as return addresses, leaf first. Module frames only.
std::vector<uintptr_t> addresses_of(uint32_t id, bool* isComplete) {
  std::vector<uintptr_t> addresses;
  *isComplete = true;
  while (id != 0) {
    StackNode node = stacks::node(id);
    uint32_t kind = static_cast<uint32_t>(node.frame >> 60);
    if (kind == MP_FRAME_NATIVE || kind == MP_FRAME_NATIVE_PC) {
      uintptr_t base = 0;
      for (uintptr_t probe :
           {reinterpret_cast<uintptr_t>(&addresses_of), reinterpret_cast<uintptr_t>(&malloc),
            reinterpret_cast<uintptr_t>(dlsym(RTLD_DEFAULT, "_ZSt9terminatev"))}) {
        const modules::Module* module = modules::find(probe);
        if (module != nullptr && module->id == ((node.frame >> 40) & 0xfffff)) base = module->base;
      }
      addresses.push_back(base + (node.frame & ((UINT64_C(1) << 40) - 1)));
    } else if (kind == MP_FRAME_MARKER) {
      *isComplete = false;
    }
    id = node.parent;
  }
  return addresses;
}

// As a hook: a frame of its own, whose caller is the leaf.
__attribute__((noinline)) uint32_t hook(bool isSlow) {
  ThreadState* state = thread::current();
  Entry entry{reinterpret_cast<uintptr_t>(__builtin_frame_address(0))};
  uint32_t id = isSlow ? take_slowly(state->walker, entry) : take(state->walker, entry);
  __asm__ volatile("" ::: "memory");
  return id;
}

// Takes the stack both ways and compares it with libgcc's unwinder.
__attribute__((noinline)) void check() {
  uint32_t quick = hook(false);
  uint32_t slow = hook(true);
  bool isComplete = false;
  std::vector<uintptr_t> ours = addresses_of(quick, &isComplete);
  bool isSlowComplete = false;
  std::vector<uintptr_t> walked = addresses_of(slow, &isSlowComplete);
  ASSERT_TRUE(isComplete);
  ASSERT_TRUE(isSlowComplete);
  // The leaf differs: two calls in this function.
  ASSERT_EQ(std::vector(ours.begin() + 1, ours.end()), std::vector(walked.begin() + 1, walked.end()));
  void* theirs[300];
  int count = backtrace(theirs, 300);
  std::vector<uintptr_t> reference;
  for (int i = 1; i < count; ++i) reference.push_back(reinterpret_cast<uintptr_t>(theirs[i]));
  ASSERT_GE(ours.size(), 3u);
  ASSERT_EQ(std::vector(ours.begin() + 1, ours.end()), reference);
}

__attribute__((noinline)) void recurse(int depth, const std::function<void()>& leaf) {
  if (depth == 0) {
    leaf();
  } else {
    recurse(depth - 1, leaf);
  }
  __asm__ volatile("");
}

class Walk : public testing::Test {
 protected:
  void SetUp() override { test::join(); }
};

TEST_F(Walk, AgreesWithTheUnwinderOfTheCompilerAtEveryDepth) {
  for (int depth : {0, 1, 2, 5, 20, 60, 200, 60, 20, 5, 61, 2}) recurse(depth, check);
}

TEST_F(Walk, RandomDepthsGiveTheSameStackWithAndWithoutReuse) {
  std::mt19937 random(3);
  for (int i = 0; i < 500; ++i) recurse(static_cast<int>(random() % 120), check);
}

TEST_F(Walk, GoesThroughTheLibrariesThatKeepNoFramePointers) {
  int values[5] = {3, 1, 2, 5, 4};
  static int calls;
  calls = 0;
  qsort(values, 5, sizeof values[0], [](const void* a, const void* b) {
    ++calls;
    check();
    return *static_cast<const int*>(a) - *static_cast<const int*>(b);
  });
  EXPECT_GT(calls, 3);
  std::once_flag once;
  std::call_once(once, check);
}

TEST_F(Walk, IsRightAgainAfterExceptionsAndLongJumps) {
  static int round;  // static: longjmp may clobber a local
  for (round = 0; round < 20; ++round) {
    try {
      recurse(10 + round % 3, [] {
        check();
        throw std::runtime_error("on purpose");
      });
    } catch (const std::runtime_error&) {
      check();
    }
    static jmp_buf target;
    if (setjmp(target) == 0) {
      recurse(7, [] {
        check();
        longjmp(target, 1);
      });
    }
    check();
  }
}

TEST_F(Walk, AStackThatIsTooDeepIsCutAndSaysSo) {
  uint32_t id = 0;
  recurse(400, [&id] { id = hook(false); });
  uint32_t frames = 0;
  while (stacks::node(id).parent != 0) {
    id = stacks::node(id).parent;
    ++frames;
  }
  EXPECT_EQ(frames, MP_MAX_FRAMES);
  EXPECT_EQ(id, static_cast<uint32_t>(MP_MARKER_CUT));
}

TEST_F(Walk, ThreadsEndAtTheirOwnFirstFrame) {
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([] {
      for (int depth = 0; depth < 50; ++depth) recurse(depth, check);
    });
  }
  for (std::thread& thread : threads) thread.join();
}

void* deep_and_shallow(void* seed) {
  std::mt19937 random(static_cast<unsigned>(reinterpret_cast<uintptr_t>(seed)));
  for (int i = 0; i < 40; ++i) recurse(static_cast<int>(random() % 60), check);
  return nullptr;
}

TEST_F(Walk, ThreadsThatComeAndGoWithStacksOfAllSizesAreWalkedToTheirEnds) {
  // The C library gives a new thread an old one's stack where the size fits.
  for (uintptr_t round = 1; round <= 30; ++round) {
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    ASSERT_EQ(pthread_attr_setstacksize(&attributes, (64 + 96 * (round * 7 % 5)) * 1024), 0);
    pthread_t threads[3];
    for (uintptr_t i = 0; i < 3; ++i) {
      ASSERT_EQ(
          pthread_create(&threads[i], &attributes, deep_and_shallow, reinterpret_cast<void*>(round * 3 + i)),
          0);
    }
    pthread_attr_destroy(&attributes);
    for (pthread_t thread : threads) pthread_join(thread, nullptr);
    check();
  }
}

// The same frame address under another caller: left by a tail call, entered anew.
__attribute__((noinline)) void tail_end(int which) {
  check();
  __asm__ volatile("" ::"r"(which));
}
__attribute__((noinline, optimize("optimize-sibling-calls"))) void tail_one(int which) {
  return tail_end(which + 1);
}
__attribute__((noinline, optimize("optimize-sibling-calls"))) void tail_two(int which) {
  return which % 3 == 0 ? tail_one(which) : tail_end(which);
}

TEST_F(Walk, FunctionsThatLeaveByATailCallAreNotTakenFromTheKeptStack) {
  for (int i = 0; i < 60; ++i) {
    recurse(i % 4, [i] { i % 2 == 0 ? tail_one(i) : tail_two(i); });
    tail_two(i);
    tail_end(i);
  }
}

// The functions of a path call each other in its order; check is below the last.
struct Path {
  std::vector<int> steps;
  uintptr_t random;
};
void follow(const Path& path, size_t at);

__attribute__((noinline)) void small_frame(const Path& path, size_t at) {
  follow(path, at);
  __asm__ volatile("");
}
__attribute__((noinline)) void big_frame(const Path& path, size_t at) {
  char room[200];
  __asm__ volatile("" ::"r"(room) : "memory");
  follow(path, at);
  __asm__ volatile("" ::"r"(room) : "memory");
}
__attribute__((noinline)) void frame_of_any_size(const Path& path, size_t at) {
  char* room = static_cast<char*>(__builtin_alloca(16 + (path.random & 15) * 16));
  __asm__ volatile("" ::"r"(room) : "memory");
  follow(path, at);
  __asm__ volatile("" ::"r"(room) : "memory");
}
// rbp is a register like any other, and another value each time.
__attribute__((noinline, optimize("omit-frame-pointer"))) void frame_without_pointer(const Path& path,
                                                                                     size_t at) {
  __asm__ volatile("mov %0, %%rbp" ::"r"(path.random) : "rbp");
  follow(path, at);
  __asm__ volatile("" ::: "rbp");
}

__attribute__((noinline)) void follow(const Path& path, size_t at) {
  constexpr void (*kFunctions[])(const Path&, size_t) = {small_frame, big_frame, frame_of_any_size,
                                                         frame_without_pointer};
  if (at == path.steps.size()) {
    check();
  } else {
    kFunctions[path.steps[at]](path, at + 1);
  }
  __asm__ volatile("");
}

// Frames of one size: what is called by either finds itself at the same place, with another stack.
template <int Number>
__attribute__((noinline)) void top(int depth, const std::function<void()>& leaf) {
  recurse(depth, leaf);
  __asm__ volatile("" ::"i"(Number));
}

TEST_F(Walk, PathsThatComeBackInAnyOrderGiveTheirOwnStacks) {
  std::mt19937 random(11);
  std::vector<Path> paths(24);
  for (Path& path : paths) {
    path.steps.resize(1 + random() % 3);
    for (int& step : path.steps) step = static_cast<int>(random() % 4);
  }
  for (int round = 0; round < 3000 && !HasFatalFailure(); ++round) {
    Path& path = paths[random() % (round % 200 < 100 ? 4 : paths.size())];
    path.random = random();
    auto* const any = round / 3 % 2 == 0 ? top<0> : top<1>;
    any(round % 500 < 250 ? 3 : 4, [&path] { follow(path, 0); });
  }
  const Buffers& buffers = *thread::current()->walker.buffers;
  EXPECT_GT(std::count_if(std::begin(buffers.segments), std::end(buffers.segments),
                          [](const Segment& segment) { return segment.node != 0; }),
            4);
}

ucontext_t g_main;
ucontext_t g_coroutine;

void coroutine() {
  for (int i = 0; i < 3; ++i) {
    recurse(i * 3, [] {
      bool isComplete = false;
      std::vector<uintptr_t> frames = addresses_of(hook(false), &isComplete);
      EXPECT_TRUE(isComplete);
      EXPECT_GE(frames.size(), 3u);
    });
    swapcontext(&g_coroutine, &g_main);
  }
}

TEST_F(Walk, CoroutinesOnHeapStacksEndAtTheirFirstFrame) {
  std::vector<char> stack(256 * 1024);
  getcontext(&g_coroutine);
  g_coroutine.uc_stack.ss_sp = stack.data();
  g_coroutine.uc_stack.ss_size = stack.size();
  g_coroutine.uc_link = &g_main;
  makecontext(&g_coroutine, coroutine, 0);
  for (int i = 0; i < 3; ++i) {
    recurse(5, check);
    swapcontext(&g_main, &g_coroutine);
  }
  check();
}

std::vector<uintptr_t> g_seenInHandler;
bool g_seenComplete;

void handler(int) { g_seenInHandler = addresses_of(hook(false), &g_seenComplete); }

__attribute__((noinline)) void interrupted() {
  raise(SIGUSR1);
  __asm__ volatile("");
}

TEST_F(Walk, AHandlerOnAnAlternateStackIsWalkedThroughTheSignalFrame) {
  std::vector<char> stack(64 * 1024);
  stack_t alternate{stack.data(), 0, stack.size()};
  sigaltstack(&alternate, nullptr);
  struct sigaction action {};
  action.sa_handler = handler;
  for (int flags : {SA_ONSTACK, 0}) {
    action.sa_flags = flags;
    sigaction(SIGUSR1, &action, nullptr);
    recurse(3, interrupted);
    EXPECT_TRUE(g_seenComplete);
    auto low = reinterpret_cast<uintptr_t>(&interrupted);
    bool found = std::any_of(g_seenInHandler.begin(), g_seenInHandler.end(),
                             [low](uintptr_t address) { return address > low && address < low + 64; });
    EXPECT_TRUE(found);
    check();
  }
  stack_t none{nullptr, SS_DISABLE, 0};
  sigaltstack(&none, nullptr);
}

}  // namespace
}  // namespace mp::unwind
