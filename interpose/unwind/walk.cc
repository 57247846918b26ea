#include "walk.h"

#include "../jit/jit.h"
#include "../modules/modules.h"
#include "../os/os.h"
#include "../ring/process.h"
#include "../stacks/table.h"
#include "buffers.h"
#include "general.h"
#include "kept.h"

namespace mp::unwind {
namespace {

// What the common walk leaves to the general one.
constexpr uint8_t kNotQuick = kNoRow | kV8 | kRecovered;

// The common walk: on the thread's own stack, through cached rows, until a frame of the kept stack.
// Whatever else comes is left to walk_on, which goes on from there. Everything is in locals: this
// loop is most of what recording costs.
MP_INLINE uint32_t walk(Walker& walker, Entry entry) {
  Buffers& buffers = *walker.buffers;
  const auto* own = reinterpret_cast<const uintptr_t*>(entry.framePointer);
  uintptr_t pc = own[1];
  uintptr_t rbp = own[0];
  uintptr_t sp = entry.framePointer + 16;
  const uintptr_t low = sp;
  const uintptr_t high = walker.stack.high;
  const uintptr_t* rbpSlot = nullptr;
  uint32_t count = 0;
  uint32_t first = buffers.first;
  if (MP_LIKELY(sp >= walker.stack.low && sp < high)) {
    while (first < MP_MAX_FRAMES) {
      while (buffers.kept[first].sp < sp) {
        if (++first == MP_MAX_FRAMES) break;
      }
      if (MP_UNLIKELY(first == MP_MAX_FRAMES)) break;
      const Frame& candidate = buffers.kept[first];
      if (candidate.sp == sp && candidate.pc == pc && candidate.rbp == rbp) {
        if (MP_UNLIKELY(MP_MAX_FRAMES - first + count > g_process.maxFrames)) break;
        if (MP_UNLIKELY(!holds(buffers, first))) break;
        walker.reusedCount += MP_MAX_FRAMES - first;
        if (MP_UNLIKELY(++walker.takenCount == kCountEvery)) add_counts(walker);
        return join(buffers, first, count);
      }
      CachedRow* set = set_of(buffers, pc);
      CachedRow* row = set[0].key == pc ? &set[0] : &set[1];
      if (MP_UNLIKELY(row->key != pc || (row->row.flags & kNotQuick) != 0 || count == g_process.maxFrames))
        break;
      uintptr_t cfa;
      if (MP_LIKELY(row->row.cfa == Cfa::kRsp)) {
        cfa = sp + static_cast<intptr_t>(row->row.cfaOffset);
      } else if (MP_LIKELY(row->row.cfa == Cfa::kRbp)) {
        cfa = rbp + static_cast<intptr_t>(row->row.cfaOffset);
      } else {
        break;
      }
      // One test for both ends: low <= sp < cfa, and cfa <= high.
      if (MP_UNLIKELY(cfa - sp - 1 >= high - sp || (cfa & 7) != 0)) break;
      Fresh& fresh = buffers.fresh[count];
      fresh.frame.sp = sp;
      fresh.frame.pc = pc;
      fresh.frame.rbp = rbp;
      fresh.frame.rbpSlot = rbpSlot;
      fresh.value = row->frame;
      fresh.memo = row;
      fresh.extraBegin = 0;
      fresh.extraCount = 0;
      if (row->row.rbp == Rbp::kAtCfa) {
        uintptr_t slot = cfa + static_cast<intptr_t>(row->row.rbpOffset);
        if (MP_UNLIKELY(slot < low || slot >= high || (slot & 7) != 0)) break;
        rbpSlot = reinterpret_cast<const uintptr_t*>(slot);
        rbp = *rbpSlot;
      } else if (MP_LIKELY(row->row.rbp == Rbp::kSame)) {
        rbpSlot = nullptr;
      } else {
        break;
      }
      ++count;
      pc = *reinterpret_cast<const uintptr_t*>(cfa - 8);
      sp = cfa;
      if (MP_UNLIKELY(pc == 0)) {
        // Left to the general walk, which tells an end from a broken stack: from the last frame.
        --count;
        pc = fresh.frame.pc;
        sp = fresh.frame.sp;
        rbp = fresh.frame.rbp;
        rbpSlot = fresh.frame.rbpSlot;
        break;
      }
    }
  }
  return walk_on(walker, Begun{Registers{pc, sp, rbp, false}, count, rbpSlot});
}

void drop_rows(Walker& walker) {
  memset(walker.buffers->rows, 0, sizeof walker.buffers->rows);
  memset(walker.buffers->code, 0, sizeof walker.buffers->code);
  walker.buffers->first = MP_MAX_FRAMES;
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
  }
}

}  // namespace

bool prepare(Walker& walker) {
  walker.buffers = static_cast<Buffers*>(map_pages(sizeof(Buffers)));
  if (walker.buffers == nullptr) return false;
  walker.buffers->first = MP_MAX_FRAMES;
  return true;
}

void release(Walker& walker) {
  unmap_pages(walker.buffers, sizeof(Buffers));
  walker.buffers = nullptr;
}

void forget(Walker& walker) {
  add_counts(walker);
  walker.buffers->first = MP_MAX_FRAMES;
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
