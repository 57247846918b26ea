// How a checkpoint is asked for: the agent fills a request and calls the shim, which it finds by dlsym
// (the shim exports these names in C). Plain C, so that anybody may include it.
#ifndef MEMPROF_SCAN_REQUEST_H
#define MEMPROF_SCAN_REQUEST_H

#include "../wire.h"

typedef struct MpCheckpointRequest {
  uint32_t structBytes;    // sizeof(MpCheckpointRequest): another size is refused
  uint32_t reason;         // MP_CHECKPOINT_*
  uint32_t ownerState;     // MP_OWNERS_*
  uint32_t rowCount;       // of `rows`
  const OwnerRow* rows;    // copied before the call returns; may be NULL if rowCount is 0
  const char* strings;     // UTF-8, each closed by NUL; OwnerRow.className is an offset in it
  uint64_t stringBytes;    // all of them, NULs included; below 4 GiB
  uint64_t collectNs;      // time in garbage collection and finalizers
  uint64_t ownersNs;       // time in finding owners, the heap snapshot included
  uint64_t heapUsedBytes;  // V8's figures after the collection; all 0: unknown
  uint64_t heapTotalBytes;
  uint64_t externalBytes;
  uint64_t uncollectedCount;   // finalizers that still wait
  const IsolateRow* isolates;  // copied as rows are; may be NULL where there are none
  const SpaceRow* spaces;
  uint32_t isolateCount;
  uint32_t spaceCount;
} MpCheckpointRequest;

#ifdef __cplusplus
extern "C" {
#endif

// Takes a checkpoint: makes its file, copies the request into it, stops the other threads, writes
// MP_MARK_CHECKPOINT, forks the scanner, lets the threads go on. Returns its number (from 1), or 0: not
// taken (this process is not recorded, has no space for the file, is a vfork's child, or one is being
// taken on another thread). A process that took one with MP_CHECKPOINT_EXIT takes no second exit one.
uint32_t memprof_checkpoint(const MpCheckpointRequest* request);

// The number that the next checkpoint will have, if nobody else takes one before; 0: not recording.
uint32_t memprof_next_checkpoint(void);

// The path of the next checkpoint's file ("<session>/p<pid>.<gen>.k<n>"), closed by NUL: files that go with it
// are named by adding to it (".heapsnapshot"). Returns its length without the NUL; 0: not recording, or the
// buffer is too small.
size_t memprof_next_checkpoint_path(char* buffer, size_t capacity);

#ifdef __cplusplus
}

static_assert(sizeof(MpCheckpointRequest) == 112, "request");
#endif

#endif
