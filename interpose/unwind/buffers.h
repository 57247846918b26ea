// What a thread's walker works in: its caches, the kept stack, the frames of the walk under way. For
// this folder only.
#ifndef MEMPROF_UNWIND_BUFFERS_H
#define MEMPROF_UNWIND_BUFFERS_H

#include "recover.h"
#include "walk.h"

namespace mp::unwind {

constexpr uint32_t kSets = 2048;
constexpr uint32_t kMemos = 512;
constexpr uint32_t kCodeRanges = 8;
constexpr uint32_t kMaxExtras = MP_MAX_FRAMES * 4;

enum RowFlags : uint8_t {
  kNoRow = 1,      // no rows and none to be recovered: the stack ends here
  kV8 = 2,         // V8's code: its frame may be a JavaScript one
  kRecovered = 4,  // found by reading the code: what it leads to is tested at every use
  kAfterCall = 8,  // a return address that follows a call instruction, in a module's code
};

// Two ways a set: with one, two hot addresses that collide cost a parse at every walk.
struct CachedRow {
  uintptr_t key;  // pc, with the top bit set for an interrupted instruction
  uint64_t frame;
  Row row;
  // The last answer of the stack table for this frame: it nearly always has the same caller.
  uint32_t parent;
  uint32_t node;
};
static_assert(sizeof(CachedRow) == 32);

// The same memory for frames whose value is not the row's own: JavaScript.
struct Memo {
  uint64_t frame;
  uint32_t parent;
  uint32_t node;
};

// A word that the walk read besides the return address and the saved rbp.
struct Extra {
  const uintptr_t* at;
  uintptr_t expected;
};

// A frame of a stack. Its pc was read at sp - 8, its rbp at rbpSlot; where the frame below left rbp
// alone, rbpSlot points to the copy in here, which is always equal to itself.
struct Frame {
  uintptr_t sp, pc, rbp;
  const uintptr_t* rbpSlot;
  uint32_t node;
  uint32_t extraEnd;  // extras of this frame and all towards the root
};

// What the walk finds out about a frame before the frames above it are known.
struct Fresh {
  Frame frame;
  uint64_t value;
  CachedRow* memo;  // nullptr: value is not the row's own
  uint32_t extraBegin, extraCount;
};

struct Buffers {
  CachedRow rows[kSets][2];
  Memo memos[kMemos];
  // The kept stack lies at the end of its array: [first, MP_MAX_FRAMES), leaf first.
  uint32_t first;
  Frame kept[MP_MAX_FRAMES];
  Fresh fresh[MP_MAX_FRAMES];
  Extra extras[kMaxExtras];  // of the kept stack, root first
  Extra freshExtras[kMaxExtras];
  Range code[kCodeRanges];  // mappings in no image that were found to hold code
  uint32_t codeNext;
  Scratch scratch;  // for reading code; its pages are untouched until then
};

constexpr uintptr_t kExact = UINT64_C(1) << 63;

// A frame's registers, as far as unwinding needs them.
struct Registers {
  uintptr_t pc, sp, rbp;
  bool exact;  // pc is the interrupted instruction, not a return address
};

constexpr uint32_t kCountEvery = 1024;
// The walker's own counters into the process's.
void add_counts(Walker& walker);

MP_INLINE CachedRow* set_of(Buffers& buffers, uintptr_t key) {
  return buffers.rows[((key >> 1) ^ (key >> 12)) % kSets];
}

}  // namespace mp::unwind

#endif
