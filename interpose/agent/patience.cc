#include "patience.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "memory.h"

namespace memprof {
namespace {

constexpr uint64_t kPatienceNs = 500'000'000;
constexpr uint64_t kPatienceWithReadyNs = 10'000'000'000;

// Processor time of another thread of this process; 0: it is gone.
uint64_t worked_ns(int thread) {
  // As pthread_getcpuclockid makes it (linux/posix-timers.h): CPUCLOCK_PERTHREAD | CPUCLOCK_SCHED.
  return clock_ns(static_cast<clockid_t>(~static_cast<unsigned>(thread) << 3 | 6u));
}

// The first bytes of one of the kernel's files about the thread, as text. False: it is gone.
bool read_of_thread(int thread, const char* file, char* text, size_t capacity) {
  char path[64];
  snprintf(path, sizeof path, "/proc/self/task/%d/%s", thread, file);
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return false;
  ssize_t got = read(fd, text, capacity - 1);
  close(fd);
  if (got <= 0) return false;
  text[got] = '\0';
  return true;
}

// Works, or would work if it were given a processor.
bool is_ready(int thread) {
  char line[256];
  if (!read_of_thread(thread, "stat", line, sizeof line)) return false;
  // "NUMBER (NAME) STATE ...": the name may hold anything, and is short.
  const char* end = strrchr(line, ')');
  return end != nullptr && end[1] == ' ' && end[2] == 'R';
}

// How long it was ready and not given a processor, as far as that is over; 0 where the kernel does not count it.
uint64_t kept_waiting_ns(int thread) {
  char line[128];
  unsigned long long ranNs, waitedNs;
  if (!read_of_thread(thread, "schedstat", line, sizeof line)) return 0;
  return sscanf(line, "%llu %llu", &ranNs, &waitedNs) == 2 ? waitedNs : 0;
}

}  // namespace

void ThreadPatience::begin() {
  beginNs_ = monotonic_ns();
  if (thread_ == 0) return;
  workedBeforeNs_ = worked_ns(thread_);
  waitedBeforeNs_ = kept_waiting_ns(thread_);
}

bool ThreadPatience::is_over() const {
  uint64_t spentNs = monotonic_ns() - beginNs_;
  if (spentNs < kPatienceNs) return false;
  if (thread_ == 0 || spentNs > kPatienceWithReadyNs) return true;
  if (is_ready(thread_)) return worked_ns(thread_) - workedBeforeNs_ >= kPatienceNs;
  return spentNs - (kept_waiting_ns(thread_) - waitedBeforeNs_) >= kPatienceNs;
}

}  // namespace memprof
