// What V8 says of its heap: figures of the whole, and of each space.
#ifndef MEMPROF_AGENT_HEAP_H
#define MEMPROF_AGENT_HEAP_H

#include <stdint.h>

#include "../wire.h"
#include "pages.h"
#include "v8_api.h"

namespace memprof {

struct HeapList {
  Pages<IsolateRow> isolates{4096};
  Pages<SpaceRow> spaces{65536};

  // Another one's rows, and their spaces, behind these.
  void append(const HeapList& other);
};

// On the isolate's own thread.
HeapFigures heap_figures(const V8Api& v8, void* isolate);

// Appends the isolate with its figures of before, and what its heap is now.
void add_isolate(const V8Api& v8, void* isolate, uint32_t number, uint32_t flags, const HeapFigures& before,
                 HeapList* list);

// Of the process; 0: the kernel does not say.
uint64_t resident_bytes();

}  // namespace memprof

#endif
