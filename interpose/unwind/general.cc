#include "general.h"

#include "../modules/modules.h"
#include "../ring/process.h"
#include "describe.h"
#include "kept.h"
#include "segments.h"
#include "v8_frames.h"
#include "view.h"

namespace mp::unwind {
namespace {

// One walk in progress.
class Walk {
 public:
  Walk(Walker& walker, bool isSlow) : walker_(walker), buffers_(*walker.buffers), isSlow_(isSlow) {}
  uint32_t run(const Begun& begun);

 private:
  bool may_join(const Registers& registers);
  bool verify(uint32_t joined);
  CachedRow* look_up(const Registers& registers);
  bool name(const Registers& registers, Fresh* fresh);
  uint32_t not_recovered(uint32_t count);
  uint32_t finish(uint32_t root, uint32_t freshCount, const uintptr_t* rbpSlot);

  Walker& walker_;
  Buffers& buffers_;
  const bool isSlow_;
  View view_;
  bool keepable_ = true;            // the whole walk was on one stack and every word is remembered
  bool verified_ = false;           // kept frames [first_, end) were compared in this walk
  uint32_t first_ = MP_MAX_FRAMES;  // kept frames that may still be met
  CachedRow uncached_{};
};

// Whether the walk now stands at a frame of the kept stack. Drops kept frames that it has passed.
MP_INLINE bool Walk::may_join(const Registers& registers) {
  while (first_ < MP_MAX_FRAMES && buffers_.kept[first_].sp < registers.sp) ++first_;
  return first_ < MP_MAX_FRAMES && is_at(buffers_.kept[first_], registers.sp, registers.pc, registers.rbp);
}

// What holds stays; the rest is dropped.
MP_INLINE bool Walk::verify(uint32_t joined) {
  verified_ = true;
  first_ = first_that_holds(buffers_, joined);
  return first_ == joined;
}

MP_INLINE CachedRow* Walk::look_up(const Registers& registers) {
  uintptr_t key = registers.pc | (registers.exact ? kExact : 0);
  CachedRow* set = set_of(buffers_, key);
  if (MP_LIKELY(!isSlow_)) {
    if (MP_LIKELY(set[0].key == key)) return &set[0];
    if (MP_LIKELY(set[1].key == key)) return &set[1];
    const CodeRow& code = *code_row_of(buffers_, key);
    if (code.pc == key && code.epoch == walker_.codeEpoch) {
      // V8's code, in no image: asking all images again would say the same.
      uncached_ = CachedRow{};
      uncached_.row.cfa = Cfa::kChain;
      uncached_.row.flags = kV8 | kUsesRbp;
      return &uncached_;
    }
  }
  describe(walker_, view_, registers, &uncached_);
  if (isSlow_ || uncached_.key == 0) return &uncached_;
  // The older of the two goes; which one that is, nobody kept: the one whose turn it is will do.
  CachedRow* victim = &set[set[0].key == 0 ? 0 : set[1].key == 0 ? 1 : walker_.victim++ & 1];
  *victim = uncached_;
  return victim;
}

// Interns the fresh frames above `root` and keeps the stack for the next walk, if it can be kept.
uint32_t Walk::finish(uint32_t root, uint32_t freshCount, const uintptr_t* rbpSlot) {
  if (keepable_ && !isSlow_ && first_ >= freshCount)
    return keep_fresh(buffers_, first_, rbpSlot, root, freshCount);
  Nodes nodes(root);
  uint32_t node = root;
  for (uint32_t i = freshCount; i-- > 0;) node = nodes.add(buffers_.fresh[i], i);
  if (!isSlow_) buffers_.first = MP_MAX_FRAMES;
  return node;
}

// V8's code: the frame is what the code map says of it, and of the words that identify it.
bool Walk::name(const Registers& registers, Fresh* fresh) {
  uintptr_t fp = registers.rbp;
  if (!has_naming_words(registers.sp, fp) || !view_.inside(fp - kNamingWordsBytes) || !view_.inside(fp + 8))
    fp = 0;
  return isSlow_ ? name_v8_slowly(walker_, registers.pc, fp, fresh)
                 : name_v8(walker_, registers.pc, fp, fresh);
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
  bool byReading = begun.byReading;  // the step to this frame was made by a recovered row
  for (;;) {
    // The kept stack may have come to this frame by rows: what a recovered one led to is tested anew.
    if (may_join(registers) && (!byReading || (look_up(registers)->row.flags & kAfterCall) != 0) &&
        (verified_ || verify(first_))) {
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
    fresh.sp = registers.sp;
    fresh.pc = registers.pc;
    fresh.rbp = registers.rbp;
    fresh.rbpSlot = slots.rbp;
    fresh.value = row->memo.frame;
    fresh.memo = row == &uncached_ ? nullptr : &row->memo;
    fresh.flags = fresh_flags(row->row.flags);
    if (MP_UNLIKELY(row->row.flags & kV8) && MP_UNLIKELY(!name(registers, &fresh))) {
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
      if (MP_UNLIKELY(slots.cfa != nullptr)) {
        fresh.flags |= kFreshCfaWord;
        fresh.cfaSlot = slots.cfa;
        fresh.words[0] = registers.sp;
      }
    }
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
  return finish(root, count, slots.rbp);
}

}  // namespace

void add_counts(Walker& walker) {
  if (walker.takenCount == kCountEvery) review_segments(walker);
  count(&ProcessHeader::stackCount, walker.takenCount);
  count(&ProcessHeader::reusedFrames, walker.reusedCount);
  walker.takenCount = walker.reusedCount = 0;
}

uint32_t walk_on(Walker& walker, const Begun& begun) { return Walk(walker, false).run(begun); }

uint32_t walk_slowly(Walker& walker, const Registers& registers) {
  return Walk(walker, true).run(Begun{registers, 0, nullptr, false});
}

}  // namespace mp::unwind
