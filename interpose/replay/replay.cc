// memprof_replay: does what a recorded program did with its allocator, in a process of its own, and says how much
// memory that took. `memprof replay` writes the operations to its standard input and reads one JSON from its standard
// output. Which allocator and which settings is decided by the environment that it is started in.
//
// Nothing here allocates by malloc while operations run. Operations are done one after another in the recorded order,
// each by its own thread, because which arena a block comes from depends on the thread.
#include <linux/futex.h>
#include <malloc.h>
#include <pthread.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <x86intrin.h>

#include "blocks.h"
#include "operation.h"
#include "resident.h"

using namespace replay;

namespace {

constexpr size_t kChunkOperations = 1u << 14;
constexpr size_t kStackBytes = 128u << 10;
// Stacks are mapped so many at once: few mappings, however many threads.
constexpr uint32_t kStacksAtOnce = 64;
constexpr uint32_t kMaxSamples = 1u << 14;
constexpr size_t kMostTransient = 1u << 22;
constexpr int kSpins = 2000;

// Another look at resident memory, for the peak: when the live bytes have grown by a fiftieth, and every so often.
constexpr uint64_t kLeastGrowthBytes = 1u << 20;
constexpr uint64_t kFirstLookEvery = 1u << 16;
constexpr uint32_t kLooksUntilRarer = 1u << 11;

struct Sample {
  uint64_t id, residentBytes, liveBytes;
};

struct Thread {
  pthread_t handle;
  uint32_t hasTurn;  // a futex; kEnded: everything is done
  bool isStarted;
};
constexpr uint32_t kEnded = 2;

OwnMemory g_own;
Blocks g_blocks(g_own);
Thread g_threads[kMaxThreads];
char* g_stacks[kMaxThreads / kStacksAtOnce];
Operation* g_operations;
Sample* g_samples;
void** g_transient;
size_t g_transientCount = 0;
char* g_text;
size_t g_count = 0;
size_t g_next = 0;
uint32_t g_sampleCount = 0;

uint64_t g_serial = 0;
Block g_moving{};
bool g_isMoving = false;

uint64_t g_programNs = 0;
uint64_t g_liveBytes = 0;
uint64_t g_peakBytes = 0;
uint64_t g_doneCount = 0;
uint64_t g_failedCount = 0;
uint64_t g_unknownCount = 0;
uint64_t g_baseBytes = 0;
uint64_t g_callTicks = 0;

uint64_t g_grownBytes = 0;
uint64_t g_lookEvery = kFirstLookEvery;
uint64_t g_nextLook = kFirstLookEvery;
uint32_t g_lookCount = 0;

// The thread that has done its last operation; 0: none.
uint32_t g_ending = 0;

// The system's, whatever the allocator is told.
uint64_t now_ns() {
  timespec time{};
  syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &time);
  return static_cast<uint64_t>(time.tv_sec) * 1000000000u + static_cast<uint64_t>(time.tv_nsec);
}

// The allocator's own work, without touching what it gave.
template <typename Call>
auto timed(Call call) {
  uint64_t begin = __rdtsc();
  auto result = call();
  g_callTicks += __rdtsc() - begin;
  return result;
}

uint64_t look() {
  uint64_t all = resident_bytes(g_own, g_text);
  uint64_t resident = all > g_baseBytes ? all - g_baseBytes : 0;
  if (resident > g_peakBytes) g_peakBytes = resident;
  return resident;
}

void look_for_peak() {
  bool hasGrown = g_liveBytes >= g_grownBytes + g_grownBytes / 50 + kLeastGrowthBytes;
  if (!hasGrown && g_doneCount < g_nextLook) return;
  if (hasGrown) g_grownBytes = g_liveBytes;
  // The number of looks grows with the logarithm of the run's length.
  if (++g_lookCount % kLooksUntilRarer == 0) g_lookEvery *= 2;
  g_nextLook = g_doneCount + g_lookEvery;
  look();
}

void take_sample(uint64_t id) {
  if (g_sampleCount == kMaxSamples) return;
  g_samples[g_sampleCount++] = Sample{id, look(), g_liveBytes};
}

// Pages from `from` on are made to be there, as far as the program is taken to have used the block.
void touch(char* memory, uint64_t from, uint64_t bytes, uint32_t share) {
  uint64_t end = bytes / kWhole * share + bytes % kWhole * share / kWhole;
  for (uint64_t at = from; at < end; at += kPage) memory[at] = 1;
  if (end > from) memory[end - 1] = 1;
}

void keep(const Operation& operation, void* memory, uint64_t touchedBytes) {
  uint64_t serial = g_serial++;
  if (memory == nullptr) {
    ++g_failedCount;
    return;
  }
  g_blocks.add(serial, Block{static_cast<char*>(memory), operation.value});
  g_liveBytes += operation.value;
  touch(static_cast<char*>(memory), touchedBytes, operation.value, operation.touched);
  look_for_peak();
}

// What the program held for a moment, and what is not recorded one by one.
void hold_for_a_moment(uint64_t count, uint32_t bytes) {
  if (count < g_transientCount) look();
  for (; g_transientCount < count; ++g_transientCount) {
    void*& memory = g_transient[g_transientCount];
    memory = malloc(bytes);
    if (memory != nullptr && bytes != 0) *static_cast<char*>(memory) = 1;
  }
  while (g_transientCount > count) free(g_transient[--g_transientCount]);
}

void perform(const Operation& operation) {
  uint64_t value = operation.value;
  switch (operation.kind) {
    case kMalloc:
      return keep(operation, timed([=] { return malloc(value); }), 0);
    case kCalloc:
      return keep(operation, timed([=] { return calloc(1, value); }), 0);
    case kAligned:
      return keep(operation, timed([&] {
                    void* memory = nullptr;
                    return posix_memalign(&memory, size_t{1} << operation.extra, value) == 0 ? memory
                                                                                             : nullptr;
                  }),
                  0);
    case kMove:
      g_isMoving = g_blocks.take(value, &g_moving);
      if (!g_isMoving) ++g_unknownCount;
      return;
    case kRealloc: {
      if (!g_isMoving) return keep(operation, timed([=] { return malloc(value); }), 0);
      g_isMoving = false;
      Block before = g_moving;
      void* memory = timed([&] { return realloc(before.memory, value); });
      // A failed one leaves the block, which nobody will name again.
      if (memory == nullptr) free(before.memory);
      g_liveBytes -= before.bytes;
      return keep(operation, memory, before.bytes < value ? before.bytes : value);
    }
    case kFree: {
      Block block{};
      if (!g_blocks.take(value, &block)) {
        ++g_unknownCount;
        return;
      }
      timed([&] { return free(block.memory), true; });
      g_liveBytes -= block.bytes;
      return;
    }
    case kTrim:
      malloc_trim(value);
      return;
    case kSample:
      return take_sample(value);
    case kTime:
      if (value > g_programNs) g_programNs = value;
      return;
    case kTransient:
      return hold_for_a_moment(value, operation.touched);
  }
}

void check(const Operation& operation) {
  if (operation.kind < kMalloc || operation.kind > kLastKind) give_up("an operation of unknown kind");
  if (operation.thread >= kMaxThreads) give_up("an operation of a thread beyond the last");
  if (operation.kind == kTransient ? operation.value > kMostTransient || operation.touched > kPage
                                   : operation.touched > kWhole)
    give_up("an operation that touches more than there is");
  if (operation.kind <= kRealloc && operation.value > kMaxBytes)
    give_up("an operation of more than 2^48 bytes");
  if (operation.kind == kAligned && operation.extra > kMaxAlignmentLog)
    give_up("an operation of unknown alignment");
}

bool refill() {
  char* to = reinterpret_cast<char*>(g_operations);
  size_t held = 0;
  while (held < kChunkOperations * sizeof(Operation)) {
    ssize_t got = read(0, to + held, kChunkOperations * sizeof(Operation) - held);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) give_up("the operations cannot be read", errno);
    if (got == 0) break;
    held += static_cast<size_t>(got);
  }
  if (held % sizeof(Operation) != 0) give_up("the operations are cut in the middle of one");
  g_count = held / sizeof(Operation);
  g_next = 0;
  for (size_t i = 0; i < g_count; ++i) check(g_operations[i]);
  return g_count > 0;
}

void set_turn(uint32_t index, uint32_t value) {
  uint32_t* turn = &g_threads[index].hasTurn;
  __atomic_store_n(turn, value, __ATOMIC_RELEASE);
  syscall(SYS_futex, turn, FUTEX_WAKE_PRIVATE, 1, nullptr, nullptr, 0);
}

// False: everything is done.
bool await_turn(uint32_t index) {
  uint32_t* turn = &g_threads[index].hasTurn;
  for (int spin = 0;; ++spin) {
    uint32_t value = __atomic_load_n(turn, __ATOMIC_ACQUIRE);
    if (value == kEnded) return false;
    if (value != 0) {
      *turn = 0;
      return true;
    }
    if (spin < kSpins)
      __builtin_ia32_pause();
    else
      syscall(SYS_futex, turn, FUTEX_WAIT_PRIVATE, 0, nullptr, nullptr, 0);
  }
}

void* run_thread(void* argument);

// A stack of ours: one of the C library's would count as the allocator's memory.
char* stack_of(uint32_t index) {
  char*& group = g_stacks[index / kStacksAtOnce];
  if (group == nullptr)
    group = static_cast<char*>(g_own.map(kStacksAtOnce * kStackBytes, "no memory for the replay's stacks"));
  return group + index % kStacksAtOnce * kStackBytes;
}

void start_thread(uint32_t index) {
  Thread& thread = g_threads[index];
  // The first thread is this program's own, so that its blocks come from the main arena.
  if (thread.isStarted || index == 0) return;
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstack(&attributes, stack_of(index), kStackBytes);
  void* argument = reinterpret_cast<void*>(uintptr_t{index});
  int error = pthread_create(&thread.handle, &attributes, run_thread, argument);
  if (error != 0) give_up("the replay cannot have as many threads as the program had", error);
  pthread_attr_destroy(&attributes);
  thread.isStarted = true;
}

enum class Stop { kOther, kThreadEnds, kAllDone };

// Until an operation of another thread comes.
Stop run_mine(uint32_t index, uint32_t* other) {
  bool isEnding = false;
  for (;;) {
    if (g_next == g_count && !refill()) return Stop::kAllDone;
    const Operation& operation = g_operations[g_next];
    if (operation.thread != index) {
      *other = operation.thread;
      return isEnding && index != 0 ? Stop::kThreadEnds : Stop::kOther;
    }
    ++g_next;
    // Its last destructors may still come.
    isEnding = operation.kind == kEndThread;
    if (isEnding) continue;
    ++g_doneCount;
    perform(operation);
  }
}

void run(uint32_t index) {
  while (await_turn(index)) {
    if (g_ending != 0) {
      // What it kept for its next calls is given back when it is really gone.
      pthread_join(g_threads[g_ending].handle, nullptr);
      g_threads[g_ending].isStarted = false;
      g_ending = 0;
    }
    uint32_t other = 0;
    Stop stop = run_mine(index, &other);
    if (stop == Stop::kAllDone) return set_turn(0, kEnded);
    if (stop == Stop::kThreadEnds) g_ending = index;
    start_thread(other);
    set_turn(other, 1);
    if (stop == Stop::kThreadEnds) return;
  }
}

void* run_thread(void* argument) {
  run(static_cast<uint32_t>(reinterpret_cast<uintptr_t>(argument)));
  return nullptr;
}

uint64_t ns(const timeval& time) {
  return static_cast<uint64_t>(time.tv_sec) * 1000000000u + static_cast<uint64_t>(time.tv_usec) * 1000u;
}

// Should the replay need more memory than there is, it is the one that the kernel ends, and nobody else.
void be_first_to_go() {
  int file = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
  if (file < 0) return;
  ssize_t written = write(file, "1000", 4);
  (void)written;  // where it may not say so, it goes on
  close(file);
}

}  // namespace

// jemalloc and mimalloc give pages back by the clock. Theirs is the recorded program's: they find this function instead
// of the C library's.
extern "C" __attribute__((visibility("default"))) int clock_gettime(clockid_t, timespec* time) {
  constexpr uint64_t kSecond = 1000000000u;
  // Not from 0, which may mean "never".
  uint64_t ns = g_programNs + 1000 * kSecond;
  time->tv_sec = static_cast<time_t>(ns / kSecond);
  time->tv_nsec = static_cast<long>(ns % kSecond);
  return 0;
}

int main() {
  be_first_to_go();
  const char* noMemory = "no memory for the replay itself";
  g_operations = static_cast<Operation*>(g_own.map(kChunkOperations * sizeof(Operation), noMemory));
  g_samples = static_cast<Sample*>(g_own.map(kMaxSamples * sizeof(Sample), noMemory));
  g_transient = static_cast<void**>(g_own.map(kMostTransient * sizeof(void*), noMemory));
  g_text = static_cast<char*>(g_own.map(kMapsBytes + 1, noMemory));
  g_blocks.open();
  // What a preloaded allocator has taken at its start is part of what it costs; else it is data of libraries.
  if (getenv("LD_PRELOAD") == nullptr) g_baseBytes = resident_bytes(g_own, g_text);
  uint64_t begin = now_ns();
  uint64_t beginTicks = __rdtsc();
  if (refill()) {
    uint32_t first = g_operations[0].thread;
    start_thread(first);
    set_turn(first, 1);
    run(0);
  }
  uint64_t wallNs = now_ns() - begin;
  double nsPerTick = static_cast<double>(wallNs) / static_cast<double>(__rdtsc() - beginTicks);
  dprintf(1, "{\"operationCount\":%lu,\"failedCount\":%lu,\"unknownCount\":%lu,", g_doneCount, g_failedCount,
          g_unknownCount);
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  dprintf(1,
          "\"wallNs\":%lu,\"cpuNs\":%lu,\"callNs\":%lu,\"playerBytes\":%lu,\"peakBytes\":%lu,\"samples\":[",
          wallNs, ns(usage.ru_utime) + ns(usage.ru_stime),
          static_cast<uint64_t>(static_cast<double>(g_callTicks) * nsPerTick),
          static_cast<uint64_t>(usage.ru_maxrss) * 1024, g_peakBytes);
  for (uint32_t i = 0; i < g_sampleCount; ++i) {
    dprintf(1, "%s[%lu,%lu,%lu]", i == 0 ? "" : ",", g_samples[i].id, g_samples[i].residentBytes,
            g_samples[i].liveBytes);
  }
  dprintf(1, "]}\n");
  _exit(0);
}
