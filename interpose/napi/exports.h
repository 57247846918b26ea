// What the shim's Node-API ledger exports in C, found by the agent with dlsym. Plain C.
#ifndef MEMPROF_NAPI_EXPORTS_H
#define MEMPROF_NAPI_EXPORTS_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

// Runs the finalizers that wait in the Node-API environments of addons on the calling thread, which must
// be inside a call from JavaScript. Returns how many environments could not be drained (this Node does
// not export how); 0: nothing waits any more.
uint32_t memprof_drain_finalizers(void);

// Native data of resources whose finalizer the shim holds, with the finalizer's hint, which nothing else
// in the process points to any more. Writes up to `capacity` pairs (data, hint) and returns how many there
// are. data may be 0: then the hint alone is known.
size_t memprof_resource_hints(uint64_t* pairs, size_t capacity);

#ifdef __cplusplus
}
#endif

#endif
