// A copy of the process that the program does not notice: no SIGCHLD, nothing for wait() to find, no atfork
// handlers, no allocation. Made from one thread while all others stand still.
//
// The copy is a child without an exit signal: no wait() finds it but one with __WALL or __WCLONE, and where it is
// the only child there are none (ECHILD). It stays our child on purpose. An orphan would come to process 1, which
// in a container often takes no children in: one zombie a checkpoint, for ever.
#ifndef MEMPROF_SCAN_FORK_H
#define MEMPROF_SCAN_FORK_H

#include "../base.h"

namespace mp::scan {

// In the copy `work` runs on the stack below `stackTop` and must not return. In the program: the copy's process
// id, or a negative errno. All signals are blocked.
long fork_copy(void* stackTop, void (*work)(void*), void* argument);

// Takes copies in that have ended.
void reap_copies();
// In a fork's child: they are not its own.
void forget_copies();

}  // namespace mp::scan

#endif
