// When V8 collects garbage, and for how long the thread stands still for it.
#ifndef MEMPROF_AGENT_COLLECTIONS_H
#define MEMPROF_AGENT_COLLECTIONS_H

#include <stdint.h>

#include "v8_api.h"

namespace memprof {

using MarkFunction = void (*)(uint32_t kind, uint64_t value, const char* text);

// Of the isolate, on its own thread, as long as it lives; of the first 1,024. Called once for each.
void note_collections(const V8Api& v8, void* isolate, MarkFunction mark);

// Those of Node's teardown say nothing of the program.
void end_collections();

}  // namespace memprof

#endif
