// A checkpoint as the agent takes it: collect garbage, let finalizers run, list what objects hold, and
// hand it all to the shim.
#ifndef MEMPROF_AGENT_CHECKPOINT_H
#define MEMPROF_AGENT_CHECKPOINT_H

#include <stdint.h>

#include "environment.h"

namespace memprof {

// On the environment's own thread. Its number; 0: not taken (the shim does not take any, or another
// thread is taking one).
uint32_t take_checkpoint(Environment* self, uint32_t reason);

// On the environment's own thread: what comes before a checkpoint, and nothing else. JavaScript calls it, so
// finalizers are left to Node, which runs them in the next turn of the event loop.
void collect_garbage(const Environment& self);

// From now on none is taken.
void end_checkpoints();

// In any thread.
bool is_taking_checkpoint();

// What memprof-run asked for: MP_SESSION_*. 0 without a session.
uint32_t session_flags();

}  // namespace memprof

#endif
