// Leaf ends of stacks that came before: a program's calls come back to the same few functions below frames
// that stay. For this folder only.
//
// A segment is what a walk found below the kept frame that it joined, with every word that it read there.
// When a walk begins where it began, all these words are the same, and the kept frame that it led to is
// still there with the same words up to the root, then the walk would find the same again: its leaf's node
// is known. The kept stack needs no change for it: its own frames are compared before they are used.
#ifndef MEMPROF_UNWIND_SEGMENTS_H
#define MEMPROF_UNWIND_SEGMENTS_H

#include "kept.h"

namespace mp::unwind {

// By the leaf and its caller: many leaves are operator new.
MP_INLINE uint32_t segment_slot(uintptr_t leafPc, uintptr_t callerPc, uintptr_t sp) {
  uint64_t mixed = (callerPc ^ leafPc << 9 ^ sp << 22) * UINT64_C(0x9e3779b97f4a7c15);
  return static_cast<uint32_t>(mixed >> (64 - kSegmentBits));
}

// All segments are void: their return addresses may mean something else.
inline void drop_segments(Walker& walker) {
  if (++walker.segmentAge == 0) {
    memset(walker.buffers->segments, 0, sizeof walker.buffers->segments);
    walker.segmentAge = 1;
  }
}

// Whether the walk that begins at this leaf would come to the segment's kept frame. Whether that one's words
// hold is still to be seen. `first`: the first kept frame that may still be met.
MP_INLINE bool leads_to_kept(const Walker& walker, const Segment& segment, uintptr_t sp, uintptr_t pc,
                             uintptr_t rbp, uint32_t first) {
  const Buffers& buffers = *walker.buffers;
  if (segment.sp != sp || segment.pc != pc || segment.age != walker.segmentAge ||
      ((segment.rbp ^ rbp) & segment.rbpMask) != 0 || segment.joined < first)
    return false;
  const Frame& joined = buffers.kept[segment.joined];
  if (!is_at(joined, segment.joinedSp, segment.joinedPc, segment.joinedRbp) || joined.node != segment.parent)
    return false;
  uintptr_t difference = 0;
  for (uint32_t i = 0; i < segment.singleCount; ++i)
    difference |= *segment.singles[i].at ^ segment.singles[i].expected;
  for (uint32_t i = 0; i < segment.pairCount; ++i) {
    const Pair& pair = segment.pairs[i];
    difference |= (pair.at[0] ^ pair.low) | (pair.at[1] ^ pair.high);
  }
  return difference == 0;
}

// Walker::segmentPeriod, which changes after every kCountEvery walks.
enum : uint32_t { kCollecting = 0, kJudged = 1, kWorthIt = 2, kResting = 3, kRested = 33 };
constexpr uint32_t kFewHits = kCountEvery / 4;
constexpr uint32_t kNoSlot = UINT32_MAX;

MP_INLINE bool uses_segments(const Walker& walker) { return walker.segmentPeriod < kResting; }

inline void review_segments(Walker& walker) {
  uint32_t& period = walker.segmentPeriod;
  if (period == kJudged || period == kWorthIt)
    period = walker.segmentHits >= kFewHits ? kWorthIt : kResting;
  else if (++period == kRested)
    period = kCollecting;
  walker.segmentHits = 0;
}

// The kept stack down to its leaf was found by a walk that joined it at `joined`.
MP_NOINLINE inline void keep_segment(Walker& walker, uint32_t slot, uint32_t joined) {
  Buffers& buffers = *walker.buffers;
  const Frame& leaf = buffers.kept[buffers.first];
  const Frame& above = buffers.kept[joined];
  const uint32_t pairCount = leaf.pairEnd - above.pairEnd;
  const uint32_t singleCount = leaf.singleEnd - above.singleEnd;
  if (pairCount > kSegmentPairs || singleCount > kSegmentSingles) return;
  Segment& segment = buffers.segments[slot];
  segment.sp = leaf.sp;
  segment.pc = leaf.pc;
  segment.rbp = leaf.rbp;
  segment.rbpMask = rbp_mask(leaf);
  segment.age = walker.segmentAge;
  segment.node = leaf.node;
  segment.parent = above.node;
  segment.joined = static_cast<uint16_t>(joined);
  segment.joinedSp = above.sp;
  segment.joinedPc = above.pc;
  segment.joinedRbp = above.rbp;
  segment.pairCount = static_cast<uint8_t>(pairCount);
  segment.singleCount = static_cast<uint8_t>(singleCount);
  memcpy(segment.pairs, buffers.pairs + above.pairEnd, pairCount * sizeof(Pair));
  memcpy(segment.singles, buffers.singles + above.singleEnd, singleCount * sizeof(Single));
}

// Only what comes a second time is worth it.
MP_INLINE void note_segment(Walker& walker, uint32_t slot, uint32_t joined, uint32_t node) {
  uint32_t& before = walker.buffers->segmentNodes[slot];
  if (before == node) keep_segment(walker, slot, joined);
  before = node;
}

}  // namespace mp::unwind

#endif
