// The Node environments of this process that have the agent: the main thread's and each Worker's. A
// Worker may end at any moment, so others name it by a ticket and never hold a pointer to it.
#ifndef MEMPROF_AGENT_ENVIRONMENT_H
#define MEMPROF_AGENT_ENVIRONMENT_H

#include <node_api.h>
#include <stdint.h>

#include "layout.h"
#include "v8_api.h"

namespace memprof {

constexpr uint32_t kMaxEnvironments = 256;

struct Environment {
  napi_env env;
  void* node;        // node::Environment
  uint32_t isolate;  // its number, as in MP_META_CODE
  uint32_t ticket;   // 0: the place is free
  bool isMain;
  napi_ref bufferPrototype;  // Buffer.prototype
  int thread;                // the kernel's number of it; set on entering
};

// What is the same for all of them.
struct Agent {
  V8Api v8;
  Layout layout;
  bool hasV8 = false;
  bool canFindOwners = false;
};
Agent& agent();

// Of the calling thread; it leaves by itself when its environment is torn down. nullptr: no room.
Environment* enter_environment(const Environment& environment);

// The calling thread's; nullptr: it has none.
Environment* environment_here();

// Has callback(data) run on the environment's own thread, soon: from its event loop, or where JavaScript
// that runs without end can be interrupted. False: it is gone.
bool call_in(uint32_t ticket, void (*callback)(void*), void* data);

// A copy; elsewhere than on its own thread only its numbers mean something. False: it is gone.
bool environment_of(uint32_t ticket, Environment* environment);

// Tickets of all environments but this one.
uint32_t other_environments(uint32_t ticket, uint32_t* tickets);
uint32_t main_environment();

}  // namespace memprof

#endif
