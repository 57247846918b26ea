// A whole scan, in the order that wire.h gives: owners, what native code holds, V8's heap, the rest.
#ifndef MEMPROF_SCAN_ROOTS_H
#define MEMPROF_SCAN_ROOTS_H

#include "scanner.h"
#include "sheet.h"

namespace mp::scan {

// 0, or a negative errno. Writes the sheet's answers and the header's byte counts.
int find_holders(const Moment& moment, Sheet& sheet);

}  // namespace mp::scan

#endif
