// The functions that the hooks replace, found behind us in the search order (so that another
// preloaded allocator keeps working), and what allocations get before they are found.
#ifndef MEMPROF_HOOKS_ORIGINALS_H
#define MEMPROF_HOOKS_ORIGINALS_H

#include <pthread.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "../table.h"

namespace mp::hooks {

#define MP_MEMBER(result, name, parameters) result(*name) parameters;
struct Originals {
  MP_HOOKS(MP_MEMBER, MP_MEMBER)
};
#undef MP_MEMBER

extern Originals g_real;

// Fills g_real. False while this very thread is at it already: dlsym allocates.
bool resolve();

// For start-up only: dlsym takes the loader's lock and allocates.
void* find_symbol(const char* name);

// A small arena for what dlsym and the loader allocate meanwhile. Never given back.
void* bootstrap_allocate(size_t bytes, size_t alignment);
bool is_bootstrap(const void* block);
size_t bootstrap_size(const void* block);
// Where it lies: what is in there is the program's, though the shim holds it.
void bootstrap_range(uintptr_t* low, uintptr_t* high);

}  // namespace mp::hooks

#endif
