// memprof_replay: does what a recorded program did with its allocator, in a process of its own, and says how much
// memory that took. `memprof replay` writes the operations to its standard input and reads one JSON from its standard
// output. Which allocator and which settings is decided by the environment that it is started in.
//
// Nothing here allocates by malloc while operations run: tables and stacks are mapped, and are left out of what is
// measured. Operations are done one after another in the recorded order, each by its own thread, because which arena
// a block comes from depends on the thread.
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <malloc.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "operation.h"

namespace {

constexpr size_t kPage = 4096;
constexpr size_t kChunkOperations = 1u << 15;
constexpr size_t kMaxSlots = size_t{1} << 31;
constexpr uint32_t kMaxThreads = 1u << 12;
constexpr size_t kStackBytes = 128u << 10;
constexpr size_t kMapsBytes = 1u << 16;
constexpr uint32_t kMaxSamples = 1u << 14;
constexpr int kSpins = 2000;

struct Block {
  char* memory;
  uint64_t bytes;
};

struct Sample {
  uint64_t id, residentBytes, liveBytes;
};

// What is ours and no allocator's. Its pages do not count.
struct Own {
  uintptr_t low, high;
};

[[noreturn]] void give_up(const char* what) {
  dprintf(2, "%s: %s\n", what, strerror(errno));
  _exit(3);
}

Own g_own[kMaxThreads + 16];
uint32_t g_ownCount = 0;

// With a page that nobody may touch on both sides, or the kernel would join it with an allocator's mapping.
void* map_own(size_t bytes) {
  auto* memory = static_cast<char*>(
      mmap(nullptr, bytes + 2 * kPage, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0));
  if (memory == MAP_FAILED || mprotect(memory + kPage, bytes, PROT_READ | PROT_WRITE) != 0) give_up("mmap");
  auto low = reinterpret_cast<uintptr_t>(memory);
  g_own[g_ownCount++] = Own{low, low + bytes + 2 * kPage};
  return memory + kPage;
}

bool is_own(uintptr_t low, uintptr_t high) {
  for (uint32_t i = 0; i < g_ownCount; ++i) {
    if (g_own[i].low < high && low < g_own[i].high) return true;
  }
  return false;
}

Block* g_blocks;
Operation* g_operations;
Sample* g_samples;
char* g_text;
size_t g_count = 0;
size_t g_next = 0;
uint32_t g_sampleCount = 0;
uint64_t g_liveBytes = 0;
uint64_t g_done = 0;
uint64_t g_failed = 0;
uint64_t g_baseBytes = 0;
uint64_t g_largeShare[2] = {256, 256};  // of 256: malloc and the like, calloc

struct Thread {
  pthread_t handle;
  void* stack;
  bool isStarted;
};
Thread g_threads[kMaxThreads];
// Whose turn it is; kEnded: everything is done.
constexpr uint32_t kEnded = 0xffffffffu;
uint32_t g_turn = 0;
// The thread that has done its last operation; 0: none.
uint32_t g_ending = 0;

uint64_t now_ns(clockid_t clock) {
  timespec time{};
  clock_gettime(clock, &time);
  return static_cast<uint64_t>(time.tv_sec) * 1000000000u + static_cast<uint64_t>(time.tv_nsec);
}

// Private anonymous pages that are there, without ours: "Rss" of each mapping in smaps whose path is empty or [heap].
uint64_t resident_bytes() {
  int file = open("/proc/self/smaps", O_RDONLY | O_CLOEXEC);
  if (file < 0) give_up("/proc/self/smaps");
  uint64_t total = 0;
  bool isCounted = false;
  size_t held = 0;
  for (;;) {
    ssize_t got = read(file, g_text + held, kMapsBytes - held);
    if (got <= 0) break;
    held += static_cast<size_t>(got);
    char* at = g_text;
    char* end = g_text + held;
    while (auto* lineEnd = static_cast<char*>(memchr(at, '\n', static_cast<size_t>(end - at)))) {
      *lineEnd = '\0';
      if ((*at >= '0' && *at <= '9') || (*at >= 'a' && *at <= 'f')) {
        char* rest = nullptr;
        uintptr_t low = strtoul(at, &rest, 16);
        uintptr_t high = strtoul(rest + 1, &rest, 16);
        const char* path = strchr(rest, '/');
        const char* special = strchr(rest, '[');
        isCounted = path == nullptr && (special == nullptr || strcmp(special, "[heap]") == 0) &&
                    rest[4] == 'p' && !is_own(low, high);
      } else if (isCounted && strncmp(at, "Rss:", 4) == 0) {
        total += strtoul(at + 4, nullptr, 10) * 1024;
      }
      at = lineEnd + 1;
    }
    held = static_cast<size_t>(end - at);
    if (held == kMapsBytes) break;
    memmove(g_text, at, held);
  }
  close(file);
  return total;
}

void take_sample(uint64_t id) {
  if (g_sampleCount == kMaxSamples) return;
  uint64_t resident = resident_bytes();
  g_samples[g_sampleCount++] = Sample{id, resident > g_baseBytes ? resident - g_baseBytes : 0, g_liveBytes};
}

// Pages from `from` on are made to be there, as far as the program is taken to have used the block.
void touch(char* memory, uint64_t from, uint64_t bytes, bool isZeroed) {
  uint64_t end = bytes >= kLargeBytes ? bytes * g_largeShare[isZeroed ? 1 : 0] / 256 : bytes;
  for (uint64_t at = from; at < end; at += kPage) memory[at] = 1;
  if (end > from) memory[end - 1] = 1;
}

void keep(const Operation& operation, void* memory, uint64_t touchedBytes, bool isZeroed) {
  Block& block = g_blocks[operation.slot];
  if (memory == nullptr) {
    ++g_failed;
    return;
  }
  block = Block{static_cast<char*>(memory), operation.bytes};
  g_liveBytes += operation.bytes;
  touch(block.memory, touchedBytes, operation.bytes, isZeroed);
}

void perform(const Operation& operation) {
  Block& block = g_blocks[operation.slot];
  switch (operation.kind) {
    case kMalloc:
      keep(operation, malloc(operation.bytes), 0, false);
      break;
    case kCalloc:
      keep(operation, calloc(1, operation.bytes), 0, true);
      break;
    case kAligned: {
      void* memory = nullptr;
      if (posix_memalign(&memory, size_t{1} << operation.extra, operation.bytes) != 0) memory = nullptr;
      keep(operation, memory, 0, false);
      break;
    }
    case kRealloc: {
      uint64_t before = block.bytes;
      void* memory = realloc(block.memory, operation.bytes);
      if (memory == nullptr) {
        ++g_failed;
        break;
      }
      g_liveBytes -= before;
      block = Block{};
      keep(operation, memory, before < operation.bytes ? before : operation.bytes, false);
      break;
    }
    case kFree:
      free(block.memory);
      g_liveBytes -= block.bytes;
      block = Block{};
      break;
    case kTrim:
      malloc_trim(operation.bytes);
      break;
    case kSample:
      take_sample(operation.bytes);
      break;
    default:
      errno = EPROTO;
      give_up("an operation of unknown kind");
  }
}

bool refill() {
  char* to = reinterpret_cast<char*>(g_operations);
  size_t held = 0;
  while (held < kChunkOperations * sizeof(Operation)) {
    ssize_t got = read(0, to + held, kChunkOperations * sizeof(Operation) - held);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) give_up("read");
    if (got == 0) break;
    held += static_cast<size_t>(got);
  }
  g_count = held / sizeof(Operation);
  g_next = 0;
  return g_count > 0;
}

void pass_to(uint32_t index) {
  __atomic_store_n(&g_turn, index, __ATOMIC_RELEASE);
  syscall(SYS_futex, &g_turn, FUTEX_WAKE_PRIVATE, 1 << 20, nullptr, nullptr, 0);
}

bool await_turn(uint32_t index) {
  for (int spin = 0;; ++spin) {
    uint32_t turn = __atomic_load_n(&g_turn, __ATOMIC_ACQUIRE);
    if (turn == index) return true;
    if (turn == kEnded) return false;
    if (spin < kSpins)
      __builtin_ia32_pause();
    else
      syscall(SYS_futex, &g_turn, FUTEX_WAIT_PRIVATE, turn, nullptr, nullptr, 0);
  }
}

void* run_thread(void* argument);

void start_thread(uint32_t index) {
  Thread& thread = g_threads[index];
  // The first thread is this program's own, so that its blocks come from the main arena.
  if (thread.isStarted || index == 0) return;
  if (thread.stack == nullptr) thread.stack = map_own(kStackBytes);
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  // A stack of ours: one of the C library's would count as the allocator's memory.
  pthread_attr_setstack(&attributes, thread.stack, kStackBytes);
  void* argument = reinterpret_cast<void*>(uintptr_t{index});
  if (pthread_create(&thread.handle, &attributes, run_thread, argument) != 0) give_up("pthread_create");
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
    ++g_done;
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
    if (stop == Stop::kAllDone) {
      pass_to(kEnded);
      return;
    }
    if (stop == Stop::kThreadEnds) g_ending = index;
    start_thread(other);
    pass_to(other);
    if (stop == Stop::kThreadEnds) return;
  }
}

void* run_thread(void* argument) {
  run(static_cast<uint32_t>(reinterpret_cast<uintptr_t>(argument)));
  return nullptr;
}

}  // namespace

int main(int argc, char** argv) {
  for (int i = 0; i < 2 && i + 1 < argc; ++i) g_largeShare[i] = strtoul(argv[i + 1], nullptr, 10);
  g_blocks = static_cast<Block*>(map_own(kMaxSlots * sizeof(Block)));
  g_operations = static_cast<Operation*>(map_own(kChunkOperations * sizeof(Operation)));
  g_samples = static_cast<Sample*>(map_own(kMaxSamples * sizeof(Sample)));
  g_text = static_cast<char*>(map_own(kMapsBytes + 1));
  g_baseBytes = resident_bytes();
  uint64_t begin = now_ns(CLOCK_MONOTONIC);
  if (refill()) {
    g_turn = g_operations[0].thread;
    start_thread(g_turn);
    run(0);
  }
  uint64_t end = now_ns(CLOCK_MONOTONIC);
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  uint64_t cpuNs =
      (static_cast<uint64_t>(usage.ru_utime.tv_sec) + static_cast<uint64_t>(usage.ru_stime.tv_sec)) *
          1000000000u +
      (static_cast<uint64_t>(usage.ru_utime.tv_usec) + static_cast<uint64_t>(usage.ru_stime.tv_usec)) * 1000u;
  dprintf(1, "{\"operationCount\":%lu,\"failedCount\":%lu,\"wallNs\":%lu,\"cpuNs\":%lu,\"samples\":[", g_done,
          g_failed, end - begin, cpuNs);
  for (uint32_t i = 0; i < g_sampleCount; ++i) {
    dprintf(1, "%s[%lu,%lu,%lu]", i == 0 ? "" : ",", g_samples[i].id, g_samples[i].residentBytes,
            g_samples[i].liveBytes);
  }
  dprintf(1, "]}\n");
  _exit(0);
}
