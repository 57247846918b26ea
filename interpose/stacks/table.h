// The stack table: a trie in shared memory (one node a frame), with a private hash index from
// (parent, frame) to node. Lock-free to look up and to insert; only growth takes a lock.
//
// Two threads may insert the same node at once: then one stack has two ids. That is harmless (the
// reader groups by what a stack shows) and cheaper than a lock on every insert.
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
//
// `below`: how many frames of the same stack come after this one. Where the node is new, they are new,
// too: nobody can have had its children. Then *isNew becomes true, and the ids after the node's are
// reserved: the caller must append every one of them. (tsc makes 1.2 million nodes in 0.7 million
// stacks; looking each of them up was three misses of the cache a node.)
uint32_t intern(uint32_t parent, uint64_t frame, uint32_t below, bool* isNew);
uint32_t append(uint32_t parent, uint64_t frame);
inline uint32_t intern(uint32_t parent, uint64_t frame) {
  bool isNew = false;
  return intern(parent, frame, 0, &isNew);
}

// For tests and the verifying unwinder.
StackNode node(uint32_t id);

inline uint64_t encode(uint32_t kind, uint64_t payload) {
  return static_cast<uint64_t>(kind) << 60 | payload;
}
inline uint64_t encode_marker(uint32_t marker) { return encode(MP_FRAME_MARKER, marker); }

}  // namespace mp::stacks

#endif
