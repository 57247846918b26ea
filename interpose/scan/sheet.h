// The blocks' file as the scanner sees it: the reader's columns, and where the answers go. Every offset and
// count is checked against the file's size before it is used.
#ifndef MEMPROF_SCAN_SHEET_H
#define MEMPROF_SCAN_SHEET_H

#include "../base.h"
#include "../wire.h"
#include "mark.h"

namespace mp::scan {

struct Sheet {
  BlocksHeader* header;
  Columns columns;
  const ScanRange* ranges;
  uint32_t rangeCount;
  ScanRegion* regions;
  uint32_t regionCapacity;
  ScanFrame* frames;
  uint32_t frameCapacity;
};

// False: not a file of this version, or one that does not hold what it says.
bool open_sheet(BlocksHeader* header, size_t bytes, Sheet* sheet);

// Maps a whole file shared and writable; nullptr: *error is a negative errno.
void* open_whole(const char* path, size_t* bytes, int* error);

}  // namespace mp::scan

#endif
