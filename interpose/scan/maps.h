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

// The mapping that holds the address; nullptr: none.
const Mapping* mapping_of(const Mapping* mappings, size_t count, uintptr_t address);

}  // namespace mp::scan

#endif
