// Memory that a fork leaves out of the copy (MADV_DONTFORK). V8 marks its whole heap so, on Node 20 to 26,
// and a copy without it has no V8 roots at all.
#ifndef MEMPROF_SCAN_LEFT_OUT_H
#define MEMPROF_SCAN_LEFT_OUT_H

#include "../base.h"

namespace mp::scan {

// Has the next fork copy it, and leaves the kernel's text on all mappings for the reader. pre: other threads stand
// still, or the kernel's list of mappings and the memory that it names may differ. post: leave_out_again() once the fork is done.
void copy_what_is_left_out(uint32_t checkpoint);
void leave_out_again();

}  // namespace mp::scan

#endif
