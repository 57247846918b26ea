// glibc's main arena, which lies among its library's own data. Its bins point to free blocks, in fact 16 bytes
// before them, where the last 8 bytes of the block before may lie: what they point to nobody holds.
#ifndef MEMPROF_SCAN_MAIN_ARENA_H
#define MEMPROF_SCAN_MAIN_ARENA_H

#include "maps.h"
#include "thread_memory.h"

namespace mp::scan {

// The address of its malloc_state; 0: not found.
uintptr_t find_main_arena(const Mapping* mappings, size_t mappingCount);

void add_main_arena(const Mapping* mappings, size_t mappingCount, Spans* dead);

}  // namespace mp::scan

#endif
