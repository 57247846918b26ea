// What a test in the program asks of memprof-run, as functions of the addon:
//
//   ask(text: string, timeoutMs: number): string | null
//       Asks the reader at this place in the order of events, and blocks until the answer is there.
//       null: not under memprof-run, or it has ended, or the time is up.
//   collect(): boolean      collects garbage, as a checkpoint does before it looks. Node runs the finalizers of
//                           Node-API in the next turn of the event loop. false: there is no agent here
//   mark(name: string): void        a moment with a name, in the trace
//   ignore(begin: boolean): void    what this thread allocates between the two is nobody's leak
//   isLoaded(): boolean             this process is being recorded
//
// None of them allocates from the program's heap, calls JavaScript, or needs the agent to have started in
// the calling context: vm contexts and Workers have them all.
#ifndef MEMPROF_AGENT_QUESTION_H
#define MEMPROF_AGENT_QUESTION_H

#include <node_api.h>

namespace memprof {

// False: an exception is pending.
bool export_questions(napi_env env, napi_value exports);

}  // namespace memprof

#endif
