// The unwinder alone: nanoseconds a stack, its id included, at a given depth with a given number of
// leaf frames changing from one stack to the next. Prints JSON. Built with the unit tests; run by
// `npm run bench`.
#include <stdio.h>
#include <time.h>

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include "../ring/test_session.h"
#include "walk.h"

namespace mp::unwind {
namespace {

constexpr int kVariants = 16;
uint32_t g_sink;

__attribute__((noinline)) void hook(Walker& walker) {
  g_sink += take(walker, Entry{reinterpret_cast<uintptr_t>(__builtin_frame_address(0))});
}

// kVariants chains of different functions, as in a program: level 1 calls the hook.
template <int Variant, int Level>
__attribute__((noinline)) void leaf(Walker& walker) {
  if constexpr (Level <= 1) {
    hook(walker);
  } else {
    leaf<Variant, Level - 1>(walker);
  }
  __asm__ volatile("" ::"i"(Variant * 16 + Level));
}

using Leaf = void (*)(Walker&);
template <int Level, int... Variant>
constexpr std::array<Leaf, kVariants> leaves(std::integer_sequence<int, Variant...>) {
  return {&leaf<Variant, Level>...};
}
template <int Level>
constexpr std::array<Leaf, kVariants> kLeaves = leaves<Level>(std::make_integer_sequence<int, kVariants>{});

double seconds() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

__attribute__((noinline)) double run(Walker& walker, int depth, int changing, int count) {
  if (depth > changing) {
    double result = run(walker, depth - 1, changing, count);
    __asm__ volatile("");
    return result;
  }
  double begin = seconds();
  for (int i = 0; i < count; ++i) {
    if (changing == 0) {
      hook(walker);
    } else {
      (changing == 1   ? kLeaves<1>
       : changing == 3 ? kLeaves<3>
                       : kLeaves<6>)[static_cast<size_t>(i) % kVariants](walker);
    }
  }
  return (seconds() - begin) / count * 1e9;
}

}  // namespace
}  // namespace mp::unwind

int main() {
  mp::test::join();
  mp::ThreadState* state = mp::thread::current();
  printf("[");
  bool isFirst = true;
  for (int depth : {5, 20, 60}) {
    for (int changing : {0, 1, 3, 6}) {
      if (changing >= depth) continue;
      mp::unwind::run(state->walker, depth, changing, 20000);
      std::vector<double> rounds;
      for (int round = 0; round < 9; ++round)
        rounds.push_back(mp::unwind::run(state->walker, depth, changing, 100000));
      std::sort(rounds.begin(), rounds.end());
      printf("%s\n  {\"depth\": %d, \"changing\": %d, \"medianNs\": %.1f, \"minNs\": %.1f, \"maxNs\": %.1f}",
             isFirst ? "" : ",", depth, changing, rounds[4], rounds.front(), rounds.back());
      isFirst = false;
    }
  }
  printf("\n]\n");
  return 0;
}
