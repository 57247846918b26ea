// Reading this process's memory by addresses that may be stale.
#ifndef MEMPROF_AGENT_MEMORY_H
#define MEMPROF_AGENT_MEMORY_H

#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "pages.h"

namespace memprof {

// The ranges that /proc/self/maps said to be readable. Whole 256 KiB chunks (V8's heap pages are such)
// are remembered, so asking is cheap.
class ReadableRanges {
 public:
  bool load();
  bool has(uintptr_t address, size_t bytes);

 private:
  struct Range {
    uintptr_t low, high;
  };
  Pages<Range> ranges_;
  uintptr_t chunks_[4096] = {};
};

// Copies without ever faulting, as the kernel does (process_vm_readv); where that is forbidden, only
// what `ranges` has. False: not readable.
bool copy_memory(uintptr_t address, void* into, size_t bytes, ReadableRanges& ranges);

// The same for many pieces of equal size, in few system calls: piece i goes to into + i * bytes, and
// isRead[i] says whether it is there. Address 0: nothing.
void copy_pieces(const uintptr_t* addresses, size_t count, size_t bytes, char* into, bool* isRead,
                 ReadableRanges& ranges);

// Where the image that holds `symbol` lies: [*low, *high).
bool image_range(const void* symbol, uintptr_t* low, uintptr_t* high);

// 0: there is no such clock (any more).
uint64_t clock_ns(clockid_t clock);
uint64_t monotonic_ns();
// Processor time of the calling thread: what a busy machine keeps it waiting is not in it.
uint64_t processor_ns();

}  // namespace memprof

#endif
