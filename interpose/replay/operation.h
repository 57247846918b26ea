// One operation of a replay, as it comes through the pipe. Little endian.
#ifndef MEMPROF_REPLAY_OPERATION_H
#define MEMPROF_REPLAY_OPERATION_H

#include <stdint.h>

struct Operation {
  uint8_t kind;
  uint8_t extra;    // kAligned: log2 of the alignment
  uint16_t thread;  // dense, from 0
  uint32_t slot;    // of the block; taken again once it is free
  uint64_t bytes;   // kSample: its number
};
static_assert(sizeof(Operation) == 16, "operation");

enum OperationKind : uint8_t {
  kMalloc = 1,
  kCalloc = 2,
  kAligned = 3,
  kRealloc = 4,
  kFree = 5,
  kTrim = 6,
  kSample = 7,
  kEndThread = 8,
};

// Of blocks from this size on only a part may have been used.
constexpr uint64_t kLargeBytes = 64u << 10;

#endif
