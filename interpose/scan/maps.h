// The process's mappings, out of the text of /proc/self/maps. Pure: text in, rows out.
#ifndef MEMPROF_SCAN_MAPS_H
#define MEMPROF_SCAN_MAPS_H

#include "../base.h"

namespace mp::scan {

enum class Backing : uint8_t {
  kAnonymous,
  kHeap,          // [heap]
  kStack,         // [stack]
  kFile,          // a file of any kind that is none of the others
  kSharedMemory,  // memfd, shm_open, System V, shared anonymous
  kSession,       // a file of ours
  kSpecial,       // devices, and what the kernel put there
};

struct Mapping {
  uintptr_t low, high;
  bool canRead, canWrite, canExecute, isShared;
  Backing backing;
};

// Fills `mappings` in order of address; returns how many there are in the text, which may be more than
// `capacity`. Lines that are none are passed over. session: the folder whose files are ours, or "".
size_t parse_maps(const char* text, size_t bytes, const char* session, Mapping* mappings, size_t capacity);

// Of rows with low and high, in order and apart: the one that holds the address; nullptr: none does.
template <typename Row>
const Row* row_at(const Row* rows, size_t count, uintptr_t address) {
  size_t low = 0;
  size_t high = count;
  while (low < high) {
    size_t middle = (low + high) / 2;
    if (rows[middle].high <= address)
      low = middle + 1;
    else
      high = middle;
  }
  return low < count && rows[low].low <= address ? &rows[low] : nullptr;
}

inline const Mapping* mapping_of(const Mapping* mappings, size_t count, uintptr_t address) {
  return row_at(mappings, count, address);
}

}  // namespace mp::scan

#endif
