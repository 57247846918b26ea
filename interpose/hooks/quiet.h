// While V8 lists its objects it puts each one into a hash set: one small block an object, all gone again
// when it is done. Millions of events that say nothing of the program. So the agent asks for quiet on its
// thread: a block of that size that is allocated and freed within it is not recorded. Everything else is,
// and what is left at the end is recorded then, so the books are right.
//
// Other threads may not free what is kept. So it is of one size only, and collections are left out: they
// hand tasks to other threads. (With blocks of up to 24 bytes, 1 release in 100,000 was another thread's.)
#ifndef MEMPROF_HOOKS_QUIET_H
#define MEMPROF_HOOKS_QUIET_H

#include <stddef.h>
#include <stdint.h>

#include "../base.h"
#include "../wire.h"

namespace mp::quiet {

// A node of V8's set: a link, the object, its hash.
constexpr size_t kBlockBytes = MP_QUIET_BYTES;
// ThreadState::inside of a thread that is quiet; 1 is a hook at work.
constexpr uint32_t kInside = 2;

struct Left {
  void* block;
  size_t sizeBytes;
};

// All on the calling thread, with its hooks kept out (inside == 1).
bool open();
bool has_table();
// Open and not paused.
bool is_open();
void pause(bool isPaused);
// False: not kept, to be recorded as usual.
bool keep(void* block, size_t sizeBytes);
// How many there are, if there are more than ever since open() and a whole number of MP_QUIET_STEP; else 0.
uint64_t step();
// False: it was not kept.
bool forget(void* block);
// Any one that is left, and forgets it. False: none.
bool take_left(Left* left);
void close();

}  // namespace mp::quiet

#endif
