// This process as the reader sees it: its header in shared memory, and whether it records.
//
// Must not import hooks/, unwind/ or stacks/.
#ifndef MEMPROF_RING_PROCESS_H
#define MEMPROF_RING_PROCESS_H

#include "../base.h"
#include "../wire.h"

namespace mp {

constexpr size_t kPathBytes = 512;

// Lives in a page of its own that the kernel wipes in a fork's child (MADV_WIPEONFORK). So a child,
// however it was made (fork, _Fork, clone), finds recording == 0 at its first event and comes to the
// slow path before it could write into its parent's rings. vfork's child shares our memory and
// therefore its parent's ring, which is right: the parent sleeps.
struct Live {
  std::atomic<uint32_t> recording;
  std::atomic<uint32_t> everJoined;  // 0 in a fork's child, too
};

struct Process {
  Live* live = nullptr;
  ProcessHeader* header = nullptr;
  uint64_t clockBase = 0;
  std::atomic<uintptr_t> owner{0};  // of the clock: see clock.h
  bool storeFence = false;          // no membarrier here: every busy store pays for its own fence
  bool gaveUp = false;              // no session, or it could not be joined: never try again
  bool hasInherited = false;        // a fork's child: blocks of its parent live here, and nobody knows them
  uint32_t maxFrames = MP_MAX_FRAMES;
  uint32_t sessionFlags = 0;
  uint32_t firstRingBytes = 0;
  uint32_t ringBytes = 0;
  int pid = 0;
  // As in ProcessHeader, from when the hooks found them.
  uint64_t realMalloc = 0, boundMalloc = 0, boundNew = 0;
  char path[kPathBytes] = {};       // <session>/p<pid>.<gen>
  char temporary[kPathBytes] = {};  // <session>/.tmp.p<pid>.<gen>
  char sessionPath[kPathBytes] = {};
  std::atomic<uint64_t> tickets{0};
};

extern Process g_process;

inline bool recording() {
  Live* live = g_process.live;
  return MP_LIKELY(live != nullptr) && live->recording.load(std::memory_order_relaxed) != 0;
}

// Joins the session that MEMPROF_SESSION names. Call with the hooks muted on this thread. Thread
// safe; true when this process records. Resets everything first in a fork's child.
bool join_session();

void stop_recording(uint32_t reason);

// Counters of the header: relaxed, exact.
inline void count(uint64_t ProcessHeader::*counter, uint64_t by = 1) {
  ProcessHeader* header = g_process.header;
  if (header != nullptr) __atomic_fetch_add(&(header->*counter), by, __ATOMIC_RELAXED);
}

// Makes "<path><suffix letter><number>" (a ring or a stack chunk) with `bytes`, of which the first
// reservedBytes are reserved. The caller fills its header and calls publish_part. nullptr: no space.
void* create_part(char letter, uint32_t number, size_t bytes, size_t reservedBytes);
inline void* create_part(char letter, uint32_t number, size_t bytes) {
  return create_part(letter, number, bytes, bytes);
}
bool publish_part(char letter, uint32_t number);
// The same for a file whose length nobody knows before: an open descriptor to be written to, negative on failure.
int open_part(char letter, uint32_t number);
void drop_part(char letter, uint32_t number);

}  // namespace mp

#endif
