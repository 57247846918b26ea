#include "general.h"

#include "../jit/jit.h"
#include "../modules/modules.h"
#include "../ring/process.h"
#include "describe.h"
#include "kept.h"
#include "view.h"

namespace mp::unwind {
namespace {

// One walk in progress.
class Walk {
 public:
  Walk(Walker& walker, bool isSlow) : walker_(walker), buffers_(*walker.buffers), isSlow_(isSlow) {}
  uint32_t run(const Begun& begun);

 private:
  void load_extra(uintptr_t address);
  void note_extra(const uintptr_t* at, uintptr_t value);
  bool may_join(const Registers& registers);
  bool verify(uint32_t joined);
  CachedRow* look_up(const Registers& registers);
  bool name_v8(const Registers& registers, Fresh* fresh);
  uint32_t not_recovered(uint32_t count);
  uint32_t finish(uint32_t root, uint32_t freshCount);

  Walker& walker_;
  Buffers& buffers_;
  const bool isSlow_;
  View view_;
  bool keepable_ = true;            // the whole walk was on one stack and every word is remembered
  bool verified_ = false;           // kept frames [first_, end) were compared in this walk
  uint32_t first_ = MP_MAX_FRAMES;  // kept frames that may still be met
  uint32_t extraCount_ = 0;
  CachedRow uncached_{};
};

void Walk::note_extra(const uintptr_t* at, uintptr_t value) {
  if (extraCount_ == kMaxExtras) {
    keepable_ = false;
  } else {
    buffers_.freshExtras[extraCount_++] = Extra{at, value};
  }
}

void Walk::load_extra(uintptr_t address) {
  uintptr_t value;
  if (view_.load(address, &value)) note_extra(reinterpret_cast<const uintptr_t*>(address), value);
}

// Whether the walk now stands at a frame of the kept stack. Drops kept frames that it has passed.
MP_INLINE bool Walk::may_join(const Registers& registers) {
  const Frame* kept = buffers_.kept;
  while (first_ < MP_MAX_FRAMES && kept[first_].sp < registers.sp) ++first_;
  if (first_ == MP_MAX_FRAMES) return false;
  const Frame& candidate = kept[first_];
  return candidate.sp == registers.sp && candidate.pc == registers.pc && candidate.rbp == registers.rbp;
}

// The words from the joined frame to the root, compared from the root. What holds stays; the rest is
// dropped.
MP_INLINE bool Walk::verify(uint32_t joined) {
  const Frame* kept = buffers_.kept;
  const Frame* frame = kept + MP_MAX_FRAMES - 1;
  const Frame* end = kept + joined;
  for (; frame != end; --frame) {
    if (*reinterpret_cast<const uintptr_t*>(frame->sp - 8) != frame->pc || *frame->rbpSlot != frame->rbp)
      break;
  }
  auto valid = static_cast<uint32_t>(frame - kept) + (frame == end ? 0 : 1);
  const Extra* extra = buffers_.extras;
  if (valid < MP_MAX_FRAMES) {
    const Extra* extraEnd = extra + kept[valid].extraEnd;
    while (extra != extraEnd && *extra->at == extra->expected) ++extra;
    if (MP_UNLIKELY(extra != extraEnd)) {
      auto broken = static_cast<uint32_t>(extra - buffers_.extras);
      while (valid < MP_MAX_FRAMES && kept[valid].extraEnd > broken) ++valid;
    }
  }
  first_ = valid;
  return valid == joined;
}

MP_INLINE CachedRow* Walk::look_up(const Registers& registers) {
  uintptr_t key = registers.pc | (registers.exact ? kExact : 0);
  CachedRow* set = set_of(buffers_, key);
  if (MP_LIKELY(!isSlow_)) {
    if (MP_LIKELY(set[0].key == key)) return &set[0];
    if (MP_LIKELY(set[1].key == key)) return &set[1];
  }
  describe(walker_, view_, registers, &uncached_);
  if (isSlow_ || uncached_.key == 0) return &uncached_;
  // The older of the two goes; which one that is, nobody kept: the one whose turn it is will do.
  CachedRow* victim = &set[set[0].key == 0 ? 0 : set[1].key == 0 ? 1 : walker_.victim++ & 1];
  *victim = uncached_;
  return victim;
}

// V8's code: the frame is what the code map says of it, and of the words that identify it.
MP_NOINLINE bool Walk::name_v8(const Registers& registers, Fresh* fresh) {
  uintptr_t fp = registers.rbp;
  bool readable = view_.inside(fp - 0x30) && view_.inside(fp + 8);
  uint64_t named = jit::frame(registers.pc, readable ? fp : 0);
  if (named != 0) {
    fresh->value = named;
    fresh->memo = nullptr;
    uint64_t kind = named >> 60;
    bool isBytecode = kind == MP_FRAME_JS_BYTECODE ||
                      (kind != MP_FRAME_JS_CODE && jit::is_interpreter_trampoline(registers.pc));
    if (isBytecode && readable) {
      load_extra(fp - 8);
      load_extra(fp - 0x20);
      load_extra(fp - 0x28);
    }
    return true;
  }
  if (fresh->value != 0) return true;  // in an image: its offset names it
  if (!is_code(buffers_, registers.pc)) return false;
  fresh->memo = nullptr;
  uint64_t address = registers.pc & ((UINT64_C(1) << 48) - 1);
  if (modules::has_v8()) {
    fresh->value = stacks::encode(MP_FRAME_V8_UNNAMED, address);
  } else {
    fresh->value = stacks::encode(MP_FRAME_UNKNOWN, address);
  }
  return true;
}

// Interns the fresh frames above `root` and keeps the stack for the next walk, if it can be kept.
uint32_t Walk::finish(uint32_t root, uint32_t freshCount) {
  uint32_t extras = first_ == MP_MAX_FRAMES ? 0 : buffers_.kept[first_].extraEnd;
  if (keepable_ && !isSlow_ && first_ >= freshCount && extras + extraCount_ <= kMaxExtras) {
    return keep_fresh(buffers_, first_, root, freshCount);
  }
  uint32_t node = root;
  for (uint32_t i = freshCount; i-- > 0;) node = intern(buffers_, node, buffers_.fresh[i]);
  if (!isSlow_) buffers_.first = MP_MAX_FRAMES;
  return node;
}

// The last frame's row led to nothing that can be its caller: it stays a frame, and the stack ends.
MP_NOINLINE uint32_t Walk::not_recovered(uint32_t count) {
  Fresh& last = buffers_.fresh[count - 1];
  last.value = stacks::encode(MP_FRAME_NATIVE, last.value & ((UINT64_C(1) << 60) - 1));
  last.memo = nullptr;
  first_ = MP_MAX_FRAMES;
  keepable_ = false;
  return MP_MARKER_BROKEN;
}

MP_NOINLINE uint32_t Walk::run(const Begun& begun) {
  Registers registers = begun.registers;
  Slots slots{begun.rbpSlot, nullptr};
  uint32_t count = begun.count;
  if (MP_UNLIKELY(!view_.enter(walker_, registers.sp))) return MP_MARKER_NOT_TAKEN;
  if (MP_UNLIKELY(view_.is_other())) keepable_ = false;
  first_ = keepable_ && !isSlow_ ? buffers_.first : MP_MAX_FRAMES;
  uint32_t root = 0;
  const uint32_t maxFrames = g_process.maxFrames;
  bool byReading = false;  // the step to this frame was made by a recovered row
  for (;;) {
    if (may_join(registers) && (verified_ || verify(first_))) {
      root = buffers_.kept[first_].node;
      if (MP_LIKELY(MP_MAX_FRAMES - first_ + count <= maxFrames)) break;
      // Deeper than allowed with what was kept: the limit counts from the leaf, so walk it all.
      first_ = MP_MAX_FRAMES;
    } else if (MP_UNLIKELY(count == maxFrames)) {
      root = MP_MARKER_CUT;
      mp::count(&ProcessHeader::cutStacks);
      keepable_ = false;
      first_ = MP_MAX_FRAMES;
      break;
    }
    verified_ = verified_ || first_ == MP_MAX_FRAMES;
    CachedRow* row = look_up(registers);
    if (MP_UNLIKELY(byReading) && (row->row.flags & kAfterCall) == 0 && !is_call_in_v8(registers)) {
      root = not_recovered(count);
      break;
    }
    Fresh& fresh = buffers_.fresh[count++];
    fresh.frame.sp = registers.sp;
    fresh.frame.pc = registers.pc;
    fresh.frame.rbp = registers.rbp;
    fresh.frame.rbpSlot = slots.rbp;
    fresh.value = row->frame;
    fresh.memo = row == &uncached_ ? nullptr : row;
    fresh.extraBegin = extraCount_;
    fresh.extraCount = 0;
    if (MP_UNLIKELY(row->row.flags & kV8) && MP_UNLIKELY(!name_v8(registers, &fresh))) {
      // V8's deoptimizer has taken the frame below apart: what it left leads to no code.
      --count;
      first_ = MP_MAX_FRAMES;
      root = MP_MARKER_BROKEN;
      keepable_ = false;
      break;
    }
    if (MP_UNLIKELY(row->row.cfa == Cfa::kEnd ||
                    ((row->row.flags & kNoRow) != 0 && is_process_entry(registers)))) {
      first_ = MP_MAX_FRAMES;
      root = walker_.root;
      break;
    }
    bool stepped;
    if (MP_UNLIKELY(row->row.cfa == Cfa::kSignal)) {
      stepped = step_out_of_signal(view_, walker_, &registers);
      slots.rbp = nullptr;
      keepable_ = false;
      first_ = MP_MAX_FRAMES;
    } else {
      stepped = step(view_, row->row, &registers, &slots);
      if (MP_UNLIKELY(slots.cfa != nullptr)) note_extra(slots.cfa, *slots.cfa);
    }
    fresh.extraCount = extraCount_ - fresh.extraBegin;
    byReading = (row->row.flags & kRecovered) != 0;
    if (MP_UNLIKELY(byReading) && (!stepped || (registers.sp & 15) != 0 || registers.pc == 0)) {
      root = not_recovered(count);
      break;
    }
    if (MP_UNLIKELY(!stepped || registers.pc == 0)) {
      // A return address of 0 is the other way to end a thread's first frame.
      first_ = MP_MAX_FRAMES;
      root = stepped ? walker_.root : static_cast<uint32_t>(MP_MARKER_BROKEN);
      if (!stepped) keepable_ = false;
      break;
    }
  }
  walker_.reusedCount += MP_MAX_FRAMES - first_;
  if (MP_UNLIKELY(++walker_.takenCount == kCountEvery)) add_counts(walker_);
  return finish(root, count);
}

}  // namespace

void add_counts(Walker& walker) {
  count(&ProcessHeader::stackCount, walker.takenCount);
  count(&ProcessHeader::reusedFrames, walker.reusedCount);
  walker.takenCount = walker.reusedCount = 0;
}

uint32_t walk_on(Walker& walker, const Begun& begun) { return Walk(walker, false).run(begun); }

uint32_t walk_slowly(Walker& walker, const Registers& registers) {
  return Walk(walker, true).run(Begun{registers, 0, nullptr});
}

}  // namespace mp::unwind
