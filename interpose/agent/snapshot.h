// V8's heap snapshot of the current isolate, written to a file as the inspector would.
#ifndef MEMPROF_AGENT_SNAPSHOT_H
#define MEMPROF_AGENT_SNAPSHOT_H

#include "v8_api.h"

namespace memprof {

// Afterwards V8 knows each object's id. False: there is no file, but ids there may be.
bool write_heap_snapshot(const V8Api& v8, const char* path);

}  // namespace memprof

#endif
