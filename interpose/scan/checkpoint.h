// Takes checkpoints: request.h says how one is asked for, wire.h what comes of it. The program pays for a file,
// for the stop of its threads and for the fork; the scan is the copy's work (scanner.h).
//
// Must not import hooks/.
#ifndef MEMPROF_SCAN_CHECKPOINT_H
#define MEMPROF_SCAN_CHECKPOINT_H

#include "../base.h"
#include "request.h"

namespace mp::scan {

// The program's memory inside the shim's: a root.
void also_root(uintptr_t low, uintptr_t high);

// At the end of a program, if the session wants one then and nobody took it before.
void take_at_exit();

void after_fork_child();

}  // namespace mp::scan

#endif
