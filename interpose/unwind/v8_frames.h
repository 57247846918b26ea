// Frames in V8's code: their names, by return address and by the words of an interpreted frame. For this
// folder only.
#ifndef MEMPROF_UNWIND_V8_FRAMES_H
#define MEMPROF_UNWIND_V8_FRAMES_H

#include "buffers.h"

namespace mp::unwind {

// Fills value, memo and the words that the name rests on. fp: the frame's own, 0 where its words cannot
// be read: [fp - 0x30, fp + 0x10). fresh->value: what the image that pc is in says of it; 0: in none.
// False: pc is no code at all.
bool name_v8(Walker& walker, uintptr_t pc, uintptr_t fp, Fresh* fresh);
// The same without what was remembered.
bool name_v8_slowly(Walker& walker, uintptr_t pc, uintptr_t fp, Fresh* fresh);

}  // namespace mp::unwind

#endif
