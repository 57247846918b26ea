// Frames in V8's code: their names, by return address and by the words of an interpreted frame. For this
// folder only.
#ifndef MEMPROF_UNWIND_V8_FRAMES_H
#define MEMPROF_UNWIND_V8_FRAMES_H

#include "buffers.h"

namespace mp::unwind {

// The words that name an interpreted frame lie from there to fp; they are its own only where that is not
// below its sp: the first call in it may come before it has more. (By where a walk was taken up again, the
// same frame had a name or none.)
constexpr uintptr_t kNamingWordsBytes = 0x28;
MP_INLINE bool has_naming_words(uintptr_t sp, uintptr_t fp) {
  return fp >= sp && fp - sp >= kNamingWordsBytes;
}

// Fills value, memo and the words that the name rests on. fp: the frame's own, 0 where it has no such words
// or they cannot be read. fresh->value: what the image that pc is in says of it; 0: in none.
// False: pc is no code at all.
bool name_v8(Walker& walker, uintptr_t pc, uintptr_t fp, Fresh* fresh);
// The same without what was remembered.
bool name_v8_slowly(Walker& walker, uintptr_t pc, uintptr_t fp, Fresh* fresh);

}  // namespace mp::unwind

#endif
