// Checkpoints that somebody outside asks for, by a word in shared memory. One thread of ours sleeps on
// it; it does nothing else, and never touches JavaScript.
#ifndef MEMPROF_AGENT_DEMAND_H
#define MEMPROF_AGENT_DEMAND_H

namespace memprof {

// Once a process, on its main thread, before the program could install signal handlers.
void watch_for_demands();

}  // namespace memprof

#endif
