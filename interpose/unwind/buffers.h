// What a thread's walker works in: its caches, the kept stack, the frames of the walk under way. For
// this folder only.
#ifndef MEMPROF_UNWIND_BUFFERS_H
#define MEMPROF_UNWIND_BUFFERS_H

#include "recover.h"
#include "walk.h"

namespace mp::unwind {

constexpr uint32_t kSets = 2048;
constexpr uint32_t kCodeRows = 1024;
constexpr uint32_t kBytecodeRows = 1024;
constexpr uint32_t kCodeRanges = 8;
constexpr uint32_t kMaxPairs = MP_MAX_FRAMES * 2;
constexpr uint32_t kMaxSingles = MP_MAX_FRAMES * 4;
constexpr uint32_t kSegmentBits = 9;
constexpr uint32_t kSegmentPairs = 6;
constexpr uint32_t kSegmentSingles = 6;

enum RowFlags : uint8_t {
  kNoRow = 1,       // no rows and none to be recovered: the stack ends here
  kV8 = 2,          // V8's code: its frame may be a JavaScript one
  kRecovered = 4,   // found by reading the code: what it leads to is tested at every use
  kAfterCall = 8,   // a return address that follows a call instruction, in a module's code
  kUsesRbp = 16,    // the row needs rbp
  kFramed = 32,     // as a function that keeps a frame pointer does: CFA = rbp + 16, rbp saved at rbp
  kLeavesRbp = 64,  // it does not, but the caller's rbp is this one's: it matters if it does further up
};

// The last answer of the stack table for a frame: it nearly always has the same caller.
struct Memo {
  uint64_t frame;
  uint32_t parent;
  uint32_t node;  // 0: none yet
};

// Two ways a set: with one, two hot addresses that collide cost a parse at every walk.
struct CachedRow {
  uintptr_t key;  // pc, with the top bit set for an interrupted instruction
  Row row;
  Memo memo;
};
static_assert(sizeof(CachedRow) == 32);

// What the code map said of a return address in V8's code; void when its epoch has passed.
struct CodeRow {
  uintptr_t pc;
  uint32_t epoch;
  uint32_t runsBytecode;  // the words of the frame say which function it is
  Memo memo;
};

// What it said of a bytecode array and an offset in it, as they stand in the frame.
struct BytecodeRow {
  uintptr_t array, offset;
  uint32_t epoch;
  Memo memo;
};

// A frame of the kept stack.
//
// The words that led the walk from frame to frame are kept apart, root first, in a list of pairs (two
// words side by side, compared at once: saved rbp and return address, mostly) and one of singles. Each
// frame knows how much of the lists belongs to itself and to all frames towards the root. What led to
// the frame itself (its return address, its rbp) comes after that, with the frame below.
struct Frame {
  uintptr_t sp, pc, rbp;
  int32_t rbpMask;       // 0: rbp matters neither in this frame nor, being the same, further up; else -1
  uint32_t isAfterCall;  // pc is: a recovered row may lead here, and its own row need not be asked
  uint32_t node;
  uint16_t pairEnd, singleEnd;
};
static_assert(sizeof(Frame) == 40);
struct Pair {
  const uintptr_t* at;
  uintptr_t low, high;
};
struct Single {
  const uintptr_t* at;
  uintptr_t expected;
};

// The frames of an earlier walk below the kept frame that it joined: see segments.h.
struct alignas(64) Segment {
  uintptr_t sp, pc, rbp, rbpMask;  // its leaf
  uint32_t age;                    // the walker's segmentAge
  uint32_t node;                   // of its leaf
  uint32_t parent;                 // of the frame that it joined
  uint16_t joined;
  uint8_t pairCount, singleCount;
  uintptr_t joinedSp, joinedPc, joinedRbp;
  Single singles[kSegmentSingles];
  Pair pairs[kSegmentPairs];
};

enum FreshFlags : uint32_t {
  kFreshUsesRbp = 1,
  kFreshBytecode = 2,  // words: those at rbp - 8, - 0x20, - 0x28
  kFreshLeavesRbp = 4,
  kFreshCfaWord = 8,  // words[0] was read at cfaSlot
  kFreshAfterCall = 16,
};
// As a row's, where they are the same.
MP_INLINE uint32_t fresh_after_call(uint32_t rowFlags) {
  static_assert(kAfterCall << 1 == kFreshAfterCall);
  return rowFlags << 1 & kFreshAfterCall;
}
MP_INLINE uint32_t fresh_flags(uint32_t rowFlags) {
  static_assert(kUsesRbp >> 4 == kFreshUsesRbp && kLeavesRbp >> 4 == kFreshLeavesRbp);
  return (rowFlags >> 4 & (kFreshUsesRbp | kFreshLeavesRbp)) | fresh_after_call(rowFlags);
}

// What the walk finds out about a frame before the frames above it are known. Its return address was
// read at sp - 8, its rbp at rbpSlot (nullptr: the frame below left it alone).
struct Fresh {
  uintptr_t sp, pc, rbp;
  const uintptr_t* rbpSlot;
  uint64_t value;
  Memo* memo;  // nullptr: none
  uint32_t flags;
  const uintptr_t* cfaSlot;
  uintptr_t words[3];
};

struct Buffers {
  CachedRow rows[kSets][2];
  CodeRow codeRows[kCodeRows];
  BytecodeRow bytecodeRows[kBytecodeRows];
  // The kept stack lies at the end of its array: [first, MP_MAX_FRAMES), leaf first.
  uint32_t first;
  Frame kept[MP_MAX_FRAMES];
  Fresh fresh[MP_MAX_FRAMES];
  Pair pairs[kMaxPairs];
  Single singles[kMaxSingles];
  Segment segments[1u << kSegmentBits];
  uint32_t segmentNodes[1u << kSegmentBits];  // the leaf's node of the walk that came here last
  Range code[kCodeRanges];                    // mappings in no image that were found to hold code
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

MP_INLINE CodeRow* code_row_of(Buffers& buffers, uintptr_t pc) {
  return &buffers.codeRows[((pc >> 2) ^ (pc >> 12)) % kCodeRows];
}
MP_INLINE BytecodeRow* bytecode_row_of(Buffers& buffers, uintptr_t array, uintptr_t offset) {
  return &buffers.bytecodeRows[((array >> 3) ^ (array >> 13) ^ (offset >> 32) * 7) % kBytecodeRows];
}

MP_INLINE CachedRow* set_of(Buffers& buffers, uintptr_t key) {
  return buffers.rows[((key >> 1) ^ (key >> 12)) % kSets];
}

}  // namespace mp::unwind

#endif
