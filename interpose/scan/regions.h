// Where roots lie: every mapping cut into what is a global, a stack, V8's, and what is no root at all. Pure:
// rows in, rows out.
#ifndef MEMPROF_SCAN_REGIONS_H
#define MEMPROF_SCAN_REGIONS_H

#include "../base.h"
#include "../wire.h"
#include "maps.h"

namespace mp::scan {

// A part of the address space that somebody knows more about than the mappings tell.
struct Span {
  uintptr_t low, high;
  uint32_t reach;  // MP_REACH_*; kNoRoot
  uint32_t id;
};
constexpr uint32_t kNoRoot = 0;

// Sorts by address and takes overlaps away: where two overlap the first one in order of address keeps its
// whole length. Returns how many are left.
size_t tidy(Span* spans, size_t count);

// Earlier layers stand above later ones. Each is tidy.
struct Layer {
  const Span* spans;
  size_t count;
};

struct Region {
  uintptr_t low, high;
  uint32_t reach;
  uint32_t id;
  bool isShared;     // untouched pages are told by mincore, not by pagemap
  bool isFile;       // a private file's pages count only where they were written
  bool holdsBlocks;  // live blocks may lie in it: their bytes are no roots by themselves
};

// What a mapping is from an address on where no layer says anything: a root of which kind, or kNoRoot.
struct Default {
  uint32_t reach;
  uint32_t id;
  bool holdsBlocks;
  uintptr_t end;  // what comes behind is asked about again; beyond the mapping: it is all of one kind
};

// Calls `emit` for each region, in order of address. default_of(mapping, address).
template <typename DefaultOf, typename Emit>
void cut_regions(const Mapping* mappings, size_t mappingCount, const Layer* layers, size_t layerCount,
                 DefaultOf default_of, Emit emit) {
  constexpr size_t kMaxLayers = 4;
  size_t at[kMaxLayers] = {};
  for (size_t m = 0; m < mappingCount; ++m) {
    const Mapping& mapping = mappings[m];
    if (!mapping.canRead || mapping.backing == Backing::kSpecial || mapping.backing == Backing::kSession)
      continue;
    if (mapping.isShared && mapping.backing == Backing::kFile && !mapping.canWrite) continue;
    uintptr_t low = mapping.low;
    Default fallback = default_of(mapping, low);
    while (low < mapping.high) {
      if (fallback.end <= low) fallback = default_of(mapping, low);
      uintptr_t high = fallback.end > low && fallback.end < mapping.high ? fallback.end : mapping.high;
      const Span* covering = nullptr;
      for (size_t i = 0; i < layerCount && covering == nullptr; ++i) {
        const Layer& layer = layers[i];
        while (at[i] < layer.count && layer.spans[at[i]].high <= low) ++at[i];
        if (at[i] == layer.count) continue;
        const Span& span = layer.spans[at[i]];
        if (span.low <= low) {
          covering = &span;
          if (span.high < high) high = span.high;
        } else if (span.low < high) {
          high = span.low;
        }
      }
      uint32_t reach = covering != nullptr ? covering->reach : fallback.reach;
      if (reach != kNoRoot) {
        emit(Region{low, high, reach, covering != nullptr ? covering->id : fallback.id, mapping.isShared,
                    mapping.backing == Backing::kFile && !mapping.isShared,
                    covering == nullptr ? fallback.holdsBlocks : covering->reach == MP_REACH_V8});
      }
      low = high;
    }
  }
}

}  // namespace mp::scan

#endif
