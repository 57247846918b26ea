// The kept stack: comparing it with the program's, and adding a walk's fresh frames to it. For this
// folder only.
#ifndef MEMPROF_UNWIND_KEPT_H
#define MEMPROF_UNWIND_KEPT_H

#include <emmintrin.h>

#include "../stacks/table.h"
#include "buffers.h"

namespace mp::unwind {

MP_INLINE uintptr_t rbp_mask(const Frame& frame) {
  return static_cast<uintptr_t>(static_cast<intptr_t>(frame.rbpMask));
}

// The walk stands at this frame.
MP_INLINE bool is_at(const Frame& frame, uintptr_t sp, uintptr_t pc, uintptr_t rbp) {
  return frame.sp == sp && frame.pc == pc && ((frame.rbp ^ rbp) & rbp_mask(frame)) == 0;
}

// Whether every word that led from this kept frame to the root is still what it was.
MP_INLINE bool holds(const Buffers& buffers, uint32_t joined) {
  const Frame& frame = buffers.kept[joined];
  // Without a branch a word: nearly always all of them hold.
  __m128i pairs = _mm_setzero_si128();
  const Pair* pairEnd = buffers.pairs + frame.pairEnd;
  for (const Pair* pair = buffers.pairs; pair != pairEnd; ++pair) {
    __m128i found = _mm_loadu_si128(reinterpret_cast<const __m128i*>(pair->at));
    __m128i expected = _mm_loadu_si128(reinterpret_cast<const __m128i*>(&pair->low));
    pairs = _mm_or_si128(pairs, _mm_xor_si128(found, expected));
  }
  uintptr_t difference = 0;
  const Single* singleEnd = buffers.singles + frame.singleEnd;
  for (const Single* single = buffers.singles; single != singleEnd; ++single)
    difference |= *single->at ^ single->expected;
  return difference == 0 && _mm_movemask_epi8(_mm_cmpeq_epi8(pairs, _mm_setzero_si128())) == 0xffff;
}

// The first kept frame, from this one towards the root, of which that is true. MP_MAX_FRAMES: none.
MP_INLINE uint32_t first_that_holds(const Buffers& buffers, uint32_t first) {
  const Frame& from = buffers.kept[first];
  uint32_t pairs = 0;
  while (pairs < from.pairEnd && buffers.pairs[pairs].at[0] == buffers.pairs[pairs].low &&
         buffers.pairs[pairs].at[1] == buffers.pairs[pairs].high)
    ++pairs;
  uint32_t singles = 0;
  while (singles < from.singleEnd && *buffers.singles[singles].at == buffers.singles[singles].expected)
    ++singles;
  while (first < MP_MAX_FRAMES &&
         (buffers.kept[first].pairEnd > pairs || buffers.kept[first].singleEnd > singles))
    ++first;
  return first;
}

// The nodes of a walk's fresh frames, from the one next to the root on.
class Nodes {
 public:
  explicit Nodes(uint32_t root) : node_(root) {}

  // below: how many frames are still to come.
  MP_INLINE uint32_t add(const Fresh& fresh, uint32_t below) {
    Memo* memo = fresh.memo;
    // frame: the row may have been evicted since, by a frame further up.
    const bool isRemembered = memo != nullptr && memo->frame == fresh.value;
    if (MP_LIKELY(isRemembered && memo->parent == node_ && memo->node != 0 && !areNew_))
      return node_ = memo->node;
    const uint32_t parent = node_;
    node_ =
        areNew_ ? stacks::append(parent, fresh.value) : stacks::intern(parent, fresh.value, below, &areNew_);
    if (isRemembered) {
      memo->parent = parent;
      memo->node = node_;
    }
    return node_;
  }

 private:
  uint32_t node_;
  bool areNew_ = false;  // the nodes to come, which the table has reserved
};

// The fresh frames, last first, go before the kept one at `first` (MP_MAX_FRAMES: none), whose rbp was
// read at rbpSlot this time. Gives the leaf's node.
MP_INLINE uint32_t keep_fresh(Buffers& buffers, uint32_t first, const uintptr_t* rbpSlot, uint32_t root,
                              uint32_t freshCount) {
  Frame* frame = buffers.kept + first;
  Pair* pair = buffers.pairs;
  Single* single = buffers.singles;
  uintptr_t maskAbove = ~uintptr_t{0};
  if (MP_LIKELY(first != MP_MAX_FRAMES)) {
    maskAbove = rbp_mask(*frame);
    pair += frame->pairEnd;
    single += frame->singleEnd;
  }
  Nodes nodes(root);
  uint32_t node = root;
  for (uint32_t i = freshCount; i-- > 0;) {
    const Fresh& fresh = buffers.fresh[i];
    node = nodes.add(fresh, i);
    if (MP_LIKELY(frame != buffers.kept + MP_MAX_FRAMES)) {
      const auto* above = reinterpret_cast<const uintptr_t*>(frame->sp);
      if (frame->rbpMask != 0 && rbpSlot == above - 2) {
        *pair++ = Pair{above - 2, frame->rbp, frame->pc};
      } else {
        *single++ = Single{above - 1, frame->pc};
        if (rbpSlot != nullptr && frame->rbpMask != 0) *single++ = Single{rbpSlot, frame->rbp};
      }
    }
    if (MP_UNLIKELY((fresh.flags & (kFreshBytecode | kFreshCfaWord)) != 0)) {
      if ((fresh.flags & kFreshBytecode) != 0) {
        const auto* base = reinterpret_cast<const uintptr_t*>(fresh.rbp);
        *pair++ = Pair{base - 5, fresh.words[2], fresh.words[1]};
        *single++ = Single{base - 1, fresh.words[0]};
      } else {
        *single++ = Single{fresh.cfaSlot, fresh.words[0]};
      }
    }
    --frame;
    frame->sp = fresh.sp;
    frame->pc = fresh.pc;
    frame->rbp = fresh.rbp;
    const uintptr_t uses = 0 - static_cast<uintptr_t>(fresh.flags & kFreshUsesRbp);
    const uintptr_t leaves = 0 - static_cast<uintptr_t>((fresh.flags & kFreshLeavesRbp) != 0);
    maskAbove = uses | (leaves & maskAbove);
    frame->rbpMask = static_cast<int32_t>(maskAbove);
    frame->isAfterCall = fresh.flags & kFreshAfterCall;
    frame->node = node;
    frame->pairEnd = static_cast<uint16_t>(pair - buffers.pairs);
    frame->singleEnd = static_cast<uint16_t>(single - buffers.singles);
    rbpSlot = fresh.rbpSlot;
  }
  buffers.first = static_cast<uint32_t>(frame - buffers.kept);
  return node;
}

}  // namespace mp::unwind

#endif
