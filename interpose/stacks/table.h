// The stack table: a trie in shared memory (one node a frame), with a private hash index from
// (parent, frame) to node. Lock-free to look up and to insert; only growth takes a lock.
//
// Two threads may insert the same node while the index grows: then one stack has two ids. That is
// harmless (the reader groups by what a stack shows) and cheaper than a lock on every insert.
#ifndef MEMPROF_STACKS_TABLE_H
#define MEMPROF_STACKS_TABLE_H

#include <stdint.h>

#include "../wire.h"

namespace mp::stacks {

// Makes the first chunk and the index. False: no space.
bool reset();
// After a fork: forget everything that belongs to the parent.
void abandon();

// The node of `frame` below `parent`; MP_MARKER_TABLE_FULL when the table cannot grow any more.
uint32_t intern(uint32_t parent, uint64_t frame);

// For tests and the verifying unwinder.
StackNode node(uint32_t id);

inline uint64_t encode(uint32_t kind, uint64_t payload) {
  return static_cast<uint64_t>(kind) << 60 | payload;
}
inline uint64_t encode_marker(uint32_t marker) { return encode(MP_FRAME_MARKER, marker); }

}  // namespace mp::stacks

#endif
