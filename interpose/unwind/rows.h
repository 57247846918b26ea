// Unwind rows: what .eh_frame says about one address, compact. Covers what compilers emit at call
// sites on x86-64; anything else comes back as kNone and the walker says so.
//
// Source: DWARF 5 section 6.4, Linux Standard Base 5 (.eh_frame, .eh_frame_hdr), psABI x86-64.
// Must not import anything but base.h.
#ifndef MEMPROF_UNWIND_ROWS_H
#define MEMPROF_UNWIND_ROWS_H

#include "../base.h"

namespace mp::unwind {

enum class Cfa : uint8_t {
  kNone,    // no row: unreadable, or a rule that this unwinder does not know
  kRsp,     // CFA = rsp + cfaOffset
  kRbp,     // CFA = rbp + cfaOffset
  kAtRbp,   // CFA = *(rbp + cfaOffset): functions that realign their stack
  kSignal,  // a signal frame: the interrupted registers lie in a ucontext at rsp
  kEnd,     // the thread's first frame: no return address
  kChain,   // no FDE, and the code keeps frame pointers
};

enum class Rbp : uint8_t {
  kSame,
  kAtCfa,  // *(CFA + rbpOffset)
  kAtRbp,  // *(rbp + rbpOffset)
};

struct Row {
  int32_t cfaOffset;
  int16_t rbpOffset;
  Cfa cfa : 4;
  Rbp rbp : 4;
  uint8_t flags;  // the walker's own
};
static_assert(sizeof(Row) == 8);

// An image's unwind table. Everything read lies in [header, end).
struct Table {
  uintptr_t header;  // .eh_frame_hdr
  uintptr_t end;
  uintptr_t imageLow;  // .eh_frame may stand before its header
};

// The row for the instruction at `address`. found = false: no FDE covers it. start: where the
// function begins, if that is wanted.
Row find_row(const Table& table, uintptr_t address, bool* found, uintptr_t* functionStart = nullptr);

}  // namespace mp::unwind

#endif
