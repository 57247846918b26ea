#include "walk.h"

#include "../jit/jit.h"
#include "../modules/modules.h"
#include "../os/os.h"
#include "../ring/process.h"
#include "../stacks/table.h"
#include "buffers.h"
#include "general.h"
#include "kept.h"
#include "segments.h"
#include "v8_frames.h"

namespace mp::unwind {
namespace {

constexpr uint32_t kPassedFrames = 8;

// The row of this return address, if the cache has one: else of another.
//
// By a branch and not by a conditional move, which the empty statement keeps the compiler from: the core
// predicts the way, and the row's contents need not wait for the keys (see kFramed).
MP_INLINE CachedRow* row_of(Buffers& buffers, uintptr_t pc) {
  CachedRow* row = set_of(buffers, pc);
  if (row->key != pc) {
    ++row;
    __asm__ volatile("" : "+r"(row));
  }
  return row;
}

// In a program whose threads take turns the row is in no cache, which was a fifth of a walk in a sharp run: the
// kept frame that the walk is about to join knows as much.
MP_INLINE bool is_after_call(Buffers& buffers, uint32_t first, uintptr_t sp, uintptr_t pc) {
  if (first < MP_MAX_FRAMES) {
    const Frame& frame = buffers.kept[first];
    if (frame.sp == sp && frame.pc == pc && frame.isAfterCall != 0) return true;
  }
  const CachedRow* row = row_of(buffers, pc);
  return row->key == pc && (row->row.flags & kAfterCall) != 0;
}

MP_INLINE void note_reuse(Walker& walker, uint32_t first) {
  walker.reusedCount += MP_MAX_FRAMES - first;
  if (MP_UNLIKELY(++walker.takenCount == kCountEvery)) add_counts(walker);
}

MP_INLINE uint32_t joined(Walker& walker, uint32_t first, const uintptr_t* rbpSlot, uint32_t freshCount,
                          uint32_t slot) {
  Buffers& buffers = *walker.buffers;
  note_reuse(walker, first);
  uint32_t node = keep_fresh(buffers, first, rbpSlot, buffers.kept[first].node, freshCount);
  if (slot != kNoSlot) note_segment(walker, slot, first, node);
  return node;
}

// The common walk: on the thread's own stack, through cached rows and V8's code, until a frame of the
// kept stack. Whatever else comes is left to the general walk, which goes on from there. Everything is
// in locals: this loop is most of what recording costs.
MP_INLINE uint32_t walk(Walker& walker, Entry entry) {
  Buffers& buffers = *walker.buffers;
  const auto* own = reinterpret_cast<const uintptr_t*>(entry.framePointer);
  uintptr_t pc = own[1];
  uintptr_t rbp = own[0];
  uintptr_t sp = entry.framePointer + 16;
  const uintptr_t low = sp;
  const uintptr_t high = walker.stack.high;
  const uint32_t maxFrames = g_process.maxFrames;
  const uintptr_t* rbpSlot = nullptr;
  uint32_t count = 0;
  uint32_t first = buffers.first;
  bool verified = false;
  bool byReading = false;  // a recovered row led here
  uint32_t segmentSlot = kNoSlot;
  if (MP_UNLIKELY(sp < walker.stack.low || sp >= high))
    return walk_on(walker, Begun{Registers{pc, sp, rbp, false}, 0, nullptr, false});
  while (count != maxFrames) {
    while (first < MP_MAX_FRAMES && buffers.kept[first].sp < sp) ++first;
    // The kept stack may have come to this frame by rows: what a recovered one led to is tested anew.
    if (MP_UNLIKELY(byReading) && !is_after_call(buffers, first, sp, pc)) break;
    const Segment* segment = nullptr;
    if (count == 1 && MP_LIKELY(uses_segments(walker))) {
      segmentSlot = segment_slot(own[1], pc, low);
      segment = &buffers.segments[segmentSlot];
      if (!leads_to_kept(walker, *segment, low, own[1], own[0], first)) segment = nullptr;
    }
    // One comparison for both: it is a loop that the compiler should lay out once, and well.
    if (segment != nullptr || (MP_LIKELY(first < MP_MAX_FRAMES) && is_at(buffers.kept[first], sp, pc, rbp))) {
      const uint32_t join = segment != nullptr ? segment->joined : first;
      if (segment == nullptr && MP_UNLIKELY(MP_MAX_FRAMES - first + count > maxFrames)) break;
      if (verified || MP_LIKELY(holds(buffers, join))) {
        if (segment == nullptr) return joined(walker, first, rbpSlot, count, segmentSlot);
        // Frames below this leaf would have to be passed at every walk.
        if (MP_UNLIKELY(first - buffers.first > kPassedFrames)) buffers.first = first;
        ++walker.segmentHits;
        note_reuse(walker, join);
        return segment->node;
      }
      first = first_that_holds(buffers, join);
      verified = true;
      buffers.first = first;
    }
    CachedRow* row = row_of(buffers, pc);
    Fresh& fresh = buffers.fresh[count];
    fresh.sp = sp;
    fresh.pc = pc;
    fresh.rbp = rbp;
    fresh.rbpSlot = rbpSlot;
    uintptr_t nextRbp = rbp;
    const uintptr_t* nextSlot = nullptr;
    uintptr_t cfa;
    bool nextByReading = false;
    if (MP_LIKELY(row->key == pc && (row->row.flags & (kNoRow | kV8)) == 0)) {
      fresh.value = row->memo.frame;
      fresh.memo = &row->memo;
      if (MP_LIKELY((row->row.flags & kFramed) != 0)) {
        // The caller is found by rbp alone: the core has predicted this branch and asks for the rows of
        // the next frames while this one's is still on its way.
        if (MP_UNLIKELY(rbp < sp || rbp >= high - 8 || (rbp & 7) != 0)) break;
        fresh.flags = kFreshUsesRbp | fresh_after_call(row->row.flags);
        cfa = rbp + 16;
        nextSlot = reinterpret_cast<const uintptr_t*>(rbp);
        nextRbp = *nextSlot;
      } else {
        fresh.flags = fresh_flags(row->row.flags);
        if (MP_LIKELY(row->row.cfa == Cfa::kRsp)) {
          cfa = sp + static_cast<intptr_t>(row->row.cfaOffset);
        } else if (MP_LIKELY(row->row.cfa == Cfa::kRbp)) {
          cfa = rbp + static_cast<intptr_t>(row->row.cfaOffset);
        } else {
          break;
        }
        // One test for both ends: low <= sp < cfa, and cfa <= high.
        if (MP_UNLIKELY(cfa - sp - 1 >= high - sp || (cfa & 7) != 0)) break;
        if (row->row.rbp == Rbp::kAtCfa) {
          uintptr_t slot = cfa + static_cast<intptr_t>(row->row.rbpOffset);
          if (MP_UNLIKELY(slot < low || slot >= high || (slot & 7) != 0)) break;
          nextSlot = reinterpret_cast<const uintptr_t*>(slot);
          nextRbp = *nextSlot;
        } else if (MP_UNLIKELY(row->row.rbp != Rbp::kSame)) {
          break;
        }
        nextByReading = (row->row.flags & kRecovered) != 0;
      }
    } else {
      // V8's code, which keeps frame pointers: known since the general walk met it.
      CodeRow* code = code_row_of(buffers, pc);
      if (MP_UNLIKELY(code->pc != pc || code->epoch != walker.codeEpoch)) break;
      if (MP_UNLIKELY(rbp < sp || rbp >= high - 8 || (rbp & 7) != 0)) break;
      fresh.flags = kFreshUsesRbp;
      if (MP_UNLIKELY(!name_v8(walker, pc, has_naming_words(sp, rbp) ? rbp : 0, &fresh))) break;
      cfa = rbp + 16;
      nextSlot = reinterpret_cast<const uintptr_t*>(rbp);
      nextRbp = *nextSlot;
    }
    uintptr_t nextPc = *reinterpret_cast<const uintptr_t*>(cfa - 8);
    // Left to the general walk, which tells an end from a broken stack.
    if (MP_UNLIKELY(nextPc == 0 || (nextByReading && (cfa & 15) != 0))) break;
    ++count;
    sp = cfa;
    pc = nextPc;
    rbp = nextRbp;
    rbpSlot = nextSlot;
    byReading = nextByReading;
  }
  return walk_on(walker, Begun{Registers{pc, sp, rbp, false}, count, rbpSlot, byReading});
}

void drop_rows(Walker& walker) {
  memset(walker.buffers->rows, 0, sizeof walker.buffers->rows);
  memset(walker.buffers->code, 0, sizeof walker.buffers->code);
  walker.buffers->first = MP_MAX_FRAMES;
  drop_segments(walker);
}

MP_NOINLINE void note_changes(Walker& walker, uint32_t changes) {
  walker.changes = changes;
  uint32_t generation = modules::generation();
  if (generation != walker.generation) {
    walker.generation = generation;
    drop_rows(walker);
  }
  uint32_t epoch = jit::epoch();
  if (epoch != walker.codeEpoch) {
    walker.codeEpoch = epoch;
    walker.buffers->first = MP_MAX_FRAMES;
    drop_segments(walker);
  }
}

}  // namespace

bool prepare(Walker& walker) {
  walker.buffers = static_cast<Buffers*>(map_pages(sizeof(Buffers)));
  if (walker.buffers == nullptr) return false;
  walker.buffers->first = MP_MAX_FRAMES;
  walker.segmentAge = 1;
  return true;
}

void release(Walker& walker) {
  unmap_pages(walker.buffers, sizeof(Buffers));
  walker.buffers = nullptr;
}

void forget(Walker& walker) {
  add_counts(walker);
  walker.buffers->first = MP_MAX_FRAMES;
  drop_segments(walker);
  memset(walker.other, 0, sizeof walker.other);
}

void begin_thread(Walker& walker, uintptr_t controlBlock) {
  forget(walker);
  // The C library gives a new thread the stack of an old one: what was known of it holds, if it is
  // still there.
  bool isSame = controlBlock == walker.controlBlock && walker.stack.high == controlBlock;
  if (!isSame || !os::is_mapped(walker.stack.low & ~(os::kPageBytes - 1))) walker.stack = Range{0, 0};
  walker.controlBlock = controlBlock;
  walker.root = 0;
}

void set_queued_from(Walker& walker, uint32_t stack) {
  uint32_t root = stack == 0 ? 0 : stacks::intern(stack, stacks::encode_marker(MP_MARKER_QUEUED));
  if (root == walker.root) return;
  walker.root = root;
  walker.buffers->first = MP_MAX_FRAMES;
}

uint32_t take(Walker& walker, Entry entry) {
  uint32_t changes = g_changes.load(std::memory_order_acquire);
  if (MP_UNLIKELY(changes != walker.changes)) note_changes(walker, changes);
  return walk(walker, entry);
}

uint32_t take_slowly(Walker& walker, Entry entry) {
  const auto* own = reinterpret_cast<const uintptr_t*>(entry.framePointer);
  return walk_slowly(walker, Registers{own[1], entry.framePointer + 16, own[0], false});
}

}  // namespace mp::unwind
