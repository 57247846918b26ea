// glibc's arenas but the main one: heaps of 64 MiB at multiples of it, each with a heap_info at its start. For the
// scanner: reads with guard.h.
#ifndef MEMPROF_SCAN_ARENAS_H
#define MEMPROF_SCAN_ARENAS_H

#include "../base.h"
#include "guard.h"
#include "maps.h"

namespace mp::scan {

struct ArenaHeap {
  uintptr_t low, high;  // what is in use of it
  uintptr_t arena;      // its malloc_state, behind the heap_info of the arena's first heap
};

template <typename Visit>
void each_arena_heap(const Mapping& mapping, Visit visit) {
  constexpr uintptr_t kHeapBytes = 64u << 20;
  auto isPage = [](uint64_t value) { return value % os::kPageBytes == 0; };
  if (!mapping.canWrite || mapping.isShared || mapping.backing != Backing::kAnonymous) return;
  for (uintptr_t heap = round_up(mapping.low, kHeapBytes); heap < mapping.high; heap += kHeapBytes) {
    // heap_info: its arena, the heap before, bytes in use, bytes made writable.
    uint64_t word[4] = {};
    size_t count = 0;
    read_words(heap, heap + sizeof word, [&](uintptr_t, uint64_t value) { word[count++] = value; });
    bool isHeap = count == 4 && word[0] != 0 && word[0] % kHeapBytes < os::kPageBytes &&
                  word[1] % kHeapBytes == 0 && isPage(word[2]) && isPage(word[3]) && word[2] != 0 &&
                  word[2] <= word[3] && word[3] <= kHeapBytes && heap + word[3] <= mapping.high;
    if (isHeap) visit(ArenaHeap{heap, heap + word[3], word[0]});
  }
}

// How long heap_info is: 32 bytes, since glibc 2.35 48. The arena's own lies behind the first one.
inline uintptr_t heap_info_bytes(const ArenaHeap& heap) { return heap.arena % os::kPageBytes; }

}  // namespace mp::scan

#endif
