// How long a checkpoint waits for a Worker to begin with its answer.
#ifndef MEMPROF_AGENT_PATIENCE_H
#define MEMPROF_AGENT_PATIENCE_H

#include <stdint.h>

namespace memprof {

// A Worker that sleeps in a system call, or works in native code, does not answer, and the program does not wait
// for it: half a second is enough to know. On a busy machine a Worker may be ready all that time without being
// given a processor: such time does not count, up to ten seconds of the clock.
class ThreadPatience {
 public:
  ThreadPatience() = default;
  explicit ThreadPatience(int thread) : thread_(thread) {}

  void begin();
  bool is_over() const;

 private:
  int thread_ = 0;  // the kernel's number; 0: unknown, and only the clock counts
  uint64_t beginNs_ = 0;
  uint64_t workedBeforeNs_ = 0;
  uint64_t waitedBeforeNs_ = 0;
};

}  // namespace memprof

#endif
