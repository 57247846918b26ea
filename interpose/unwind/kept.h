// The kept stack: comparing it with the program's, and adding a walk's fresh frames to it. For this
// folder only.
#ifndef MEMPROF_UNWIND_KEPT_H
#define MEMPROF_UNWIND_KEPT_H

#include "../stacks/table.h"
#include "buffers.h"

namespace mp::unwind {

// Whether every word that led from this kept frame to the root is still what it was.
MP_INLINE bool holds(const Buffers& buffers, uint32_t joined) {
  const Frame* frame = buffers.kept + joined;
  const Extra* extra = buffers.extras;
  const Extra* extraEnd = extra + frame->extraEnd;
  // Without a branch a frame: nearly always all of them hold.
  uintptr_t difference = 0;
  for (++frame; frame != buffers.kept + MP_MAX_FRAMES; ++frame) {
    difference |= *reinterpret_cast<const uintptr_t*>(frame->sp - 8) ^ frame->pc;
    difference |= *frame->rbpSlot ^ frame->rbp;
  }
  for (; extra != extraEnd; ++extra) difference |= *extra->at ^ extra->expected;
  return difference == 0;
}

MP_INLINE uint32_t intern(Buffers& buffers, uint32_t parent, const Fresh& fresh) {
  CachedRow* row = fresh.memo;
  if (MP_LIKELY(row != nullptr)) {
    // frame: the row may have been evicted since, by a frame further up.
    if (MP_LIKELY(row->frame == fresh.value && row->parent == parent && row->node != 0)) return row->node;
    uint32_t node = stacks::intern(parent, fresh.value);
    if (row->frame == fresh.value) {
      row->parent = parent;
      row->node = node;
    }
    return node;
  }
  Memo& memo = buffers.memos[((fresh.value >> 32) * 31 + fresh.value * 7 + parent) % kMemos];
  if (MP_LIKELY(memo.frame == fresh.value && memo.parent == parent)) return memo.node;
  memo = Memo{fresh.value, parent, stacks::intern(parent, fresh.value)};
  return memo.node;
}

// The fresh frames, last first, go before the kept one at `first` (MP_MAX_FRAMES: none). Gives the
// leaf's node.
MP_INLINE uint32_t keep_fresh(Buffers& buffers, uint32_t first, uint32_t node, uint32_t freshCount) {
  uint32_t extras = first == MP_MAX_FRAMES ? 0 : buffers.kept[first].extraEnd;
  for (uint32_t i = freshCount; i-- > 0;) {
    const Fresh& fresh = buffers.fresh[i];
    node = intern(buffers, node, fresh);
    for (uint32_t e = 0; e < fresh.extraCount; ++e)
      buffers.extras[extras++] = buffers.freshExtras[fresh.extraBegin + e];
    Frame& frame = buffers.kept[--first];
    frame.sp = fresh.frame.sp;
    frame.pc = fresh.frame.pc;
    frame.rbp = fresh.frame.rbp;
    frame.rbpSlot = fresh.frame.rbpSlot != nullptr ? fresh.frame.rbpSlot : &frame.rbp;
    frame.node = node;
    frame.extraEnd = extras;
  }
  buffers.first = first;
  return node;
}

MP_INLINE uint32_t join(Buffers& buffers, uint32_t first, uint32_t freshCount) {
  return keep_fresh(buffers, first, buffers.kept[first].node, freshCount);
}

}  // namespace mp::unwind

#endif
