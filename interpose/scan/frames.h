// The frames of a thread that stands still, from its saved registers: which function a word on its stack
// belongs to. For the scanner: reads with guard.h, and the tables are those of the process when it was copied.
#ifndef MEMPROF_SCAN_FRAMES_H
#define MEMPROF_SCAN_FRAMES_H

#include "../base.h"
#include "../wire.h"

namespace mp::scan {

struct Registers {
  uintptr_t pc, sp, rbp;
  bool isReturnAddress;  // pc is one; false: the interrupted instruction
};

// Fills at most `capacity` frames, innermost first; returns how many.
uint32_t find_frames(Registers registers, uint32_t tid, ScanFrame* frames, uint32_t capacity);

}  // namespace mp::scan

#endif
