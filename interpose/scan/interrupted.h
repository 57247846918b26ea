// A thread that waits in poll, epoll_wait and their like gets EINTR from any signal, SA_RESTART or not. A
// program that never used signals must not see that because we stopped it: where the call can be begun anew
// without a difference, it is.
#ifndef MEMPROF_SCAN_INTERRUPTED_H
#define MEMPROF_SCAN_INTERRUPTED_H

#include <ucontext.h>

#include "../base.h"

namespace mp::scan {

// The call that the thread waits in, if it is one that can be begun anew: its number + 1; else 0.
uintptr_t interrupted_call(uint32_t tid);

// In the signal's handler: the program continues with the call instead of with EINTR.
void begin_anew(ucontext_t* context, uintptr_t interrupted);

}  // namespace mp::scan

#endif
