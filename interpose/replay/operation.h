// One operation of a replay, as it comes through the pipe. Little endian. src/replay/operations.ts writes them.
#ifndef MEMPROF_REPLAY_OPERATION_H
#define MEMPROF_REPLAY_OPERATION_H

#include <stdint.h>

struct Operation {
  uint8_t kind;
  uint8_t extra;     // kAligned: log2 of the alignment
  uint16_t thread;   // below kMaxThreads; taken again once its thread has ended
  uint32_t touched;  // of an allocation: how much of it the program is taken to have used, in 1/256
  uint64_t value;
};
static_assert(sizeof(Operation) == 16, "operation");

// Allocations number their blocks: the first is 0. A block's serial says it to kFree and kMove.
enum OperationKind : uint8_t {
  kMalloc = 1,      // value: bytes
  kCalloc = 2,      // value: bytes
  kAligned = 3,     // value: bytes
  kRealloc = 4,     // value: bytes; of the block of the kMove before it, which gets a new serial
  kFree = 5,        // value: serial
  kMove = 6,        // value: serial; the next operation is the thread's kRealloc
  kTrim = 7,        // value: malloc_trim's argument
  kSample = 8,      // value: its number
  kEndThread = 9,   //
  kTime = 11,       // value: nanoseconds since the program began
  kTransient = 10,  // value: that many blocks of `touched` bytes are held from here on, which have no serials
};

constexpr uint8_t kLastKind = kTime;
constexpr uint32_t kWhole = 256;
constexpr uint32_t kMaxThreads = 1u << 12;
constexpr uint8_t kMaxAlignmentLog = 21;
// As many bytes as the recording has bits for.
constexpr uint64_t kMaxBytes = uint64_t{1} << 48;

#endif
