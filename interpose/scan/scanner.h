// The scanner: a copy of the process, made when all its threads stood still. It waits for the reader's list of
// live blocks, finds who points to them, writes its answer, and ends. Nothing here runs in the program itself.
#ifndef MEMPROF_SCAN_SCANNER_H
#define MEMPROF_SCAN_SCANNER_H

#include "../base.h"
#include "../wire.h"
#include "frames.h"
#include "stop.h"

namespace mp::scan {

// What the copy has to know of the moment at which it was made. Lies in memory that the copy has, too.
struct Moment {
  CheckpointHeader* header;
  const char* blocksPath;
  const char* checkpointPath;
  Stop stop;
  // The thread that took the checkpoint.
  uint32_t tid;
  Registers caller;
  uintptr_t calleeSaved[6];
  uintptr_t controlBlock;
  uintptr_t tlsBelow;
  // The asker's list of owners: holds their addresses, and is no root.
  uintptr_t askedLow[2], askedHigh[2];
  // A root in the shim's own memory: what the program got before its allocator was known.
  uintptr_t alsoRootLow, alsoRootHigh;
  // What goes with native data until its finalizer runs. Node keeps our stand-in for it, and nothing else in the
  // process points to it any more.
  uintptr_t hintsLow, hintsHigh;
  bool isLastThing;  // the program is about to end: the scanner need not stand back
};

// In the copy, on a stack of its own. Does not return.
[[noreturn]] void scan_and_end(Moment* moment);

}  // namespace mp::scan

#endif
