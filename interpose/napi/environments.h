// The Node-API environments (one an addon and thread) and isolates that calls came from: a dense number
// for each, handle scopes that are open in it, and whether it is being torn down.
#ifndef MEMPROF_NAPI_ENVIRONMENTS_H
#define MEMPROF_NAPI_ENVIRONMENTS_H

#include <stddef.h>
#include <stdint.h>

#include "../unwind/walk.h"

namespace mp::napi {

struct OpenScope {
  const void* handle;
  uint32_t stack;
  uint64_t id;  // 0: not announced
};

struct Environment {
  const void* address;
  uint32_t thread;  // dense thread index + 1
  uint16_t number;  // from 1
  bool isNodeApi;   // else: an isolate
  OpenScope* scopes;
  size_t scopeCount;
  size_t scopeCapacity;
};

// nullptr: there are too many.
Environment* environment_of(const void* address, bool isNodeApi);
uint16_t number_of(const void* address, bool isNodeApi);

// Handle scopes are counted, not recorded: only those that are open when somebody asks become records.
void scope_opened(const void* env, const void* handle, unwind::Entry entry);
void scope_closed(const void* env, const void* handle);
// Announces the open scopes of the calling thread's environments.
void announce_scopes();

// From now on what ends, ends by the end of the program.
void note_teardown();
bool is_teardown();
bool is_teardown_of(void* env);

void environments_after_fork_child();

}  // namespace mp::napi

#endif
