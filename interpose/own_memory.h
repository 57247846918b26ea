// Which memory is the shim's own: what lies there keeps no block of the program alive. Every map_pages is
// noted here. Must not import anything but base.h.
#ifndef MEMPROF_OWN_MEMORY_H
#define MEMPROF_OWN_MEMORY_H

#include "base.h"

namespace mp::own_memory {

struct Piece {
  uintptr_t low, high;
};

void note(const void* address, size_t bytes);
void forget(const void* address);

// At most `capacity` pieces, in no order. The count is that of all of them.
size_t list(Piece* pieces, size_t capacity);

}  // namespace mp::own_memory

#endif
