// The general walk: any stack, any code. Goes on where the common walk (walk.cc) met something that it
// does not know. For this folder only.
#ifndef MEMPROF_UNWIND_GENERAL_H
#define MEMPROF_UNWIND_GENERAL_H

#include "buffers.h"

namespace mp::unwind {

// A walk that was begun: `count` fresh frames are there, `registers` are those of the next one, whose
// rbp was read at rbpSlot; byReading: a recovered row led to it.
struct Begun {
  Registers registers;
  uint32_t count;
  const uintptr_t* rbpSlot;
  bool byReading;
};
uint32_t walk_on(Walker& walker, const Begun& begun);

// From the beginning, without cache of rows or kept stack.
uint32_t walk_slowly(Walker& walker, const Registers& registers);

}  // namespace mp::unwind

#endif
