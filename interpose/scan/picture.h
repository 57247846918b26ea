// What the copy says of memory itself, for the reader: which pages are there, and what the heaps consist of.
#ifndef MEMPROF_SCAN_PICTURE_H
#define MEMPROF_SCAN_PICTURE_H

#include "heap_walk.h"
#include "maps.h"
#include "pages.h"

namespace mp::scan {

class Picture {
 public:
  // Before anything else of the copy is read: a page that is read is there from then on.
  void see_pages(const Mapping* mappings, size_t mappingCount, Pages* pages);
  // Writes the file beside the checkpoint's. Without memory or room for it there is none.
  void write(const Mapping* mappings, size_t mappingCount, const LiveBlocks& live, uint32_t liveCount,
             uint32_t checkpoint);

 private:
  static constexpr size_t kMaxHeaps = 8192;

  void find_heaps(const Mapping* mappings, size_t mappingCount);
  PageBits bits_of(uintptr_t address) const;
  void take_rest(PictureHeader* header, const LiveBlocks& live, uint32_t liveCount) const;
  bool is_in_heap(uintptr_t address) const;

  PageRange* ranges_ = nullptr;
  size_t rangeCount_ = 0;
  uint64_t* bits_ = nullptr;
  size_t bitWords_ = 0;
  Heap* heaps_ = nullptr;  // by address
  size_t heapCount_ = 0;
};

}  // namespace mp::scan

#endif
