// What is known about a return address (or an interrupted instruction): its row, its frame, and
// whether its caller can be believed. The slow half of the row cache. For this folder only.
#ifndef MEMPROF_UNWIND_DESCRIBE_H
#define MEMPROF_UNWIND_DESCRIBE_H

#include "buffers.h"
#include "view.h"

namespace mp::unwind {

// key 0: not to be kept. Registers and view: a row that is read out of the code is tested on the
// frame at hand.
void describe(Walker& walker, View& view, const Registers& registers, CachedRow* entry);

// A return address in V8's code that is in no image.
bool is_call_in_v8(const Registers& registers);

// Whether an address in no image can be one of code at all.
bool is_code(Buffers& buffers, uintptr_t pc);

// The loader's own first code has no rows. Its frame is the process's first: it stands where the
// kernel put the arguments.
bool is_process_entry(const Registers& registers);

}  // namespace mp::unwind

#endif
