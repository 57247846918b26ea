// What memprof.h calls. The names carry the version of the interface: what it means never changes, so that an
// addon that was built with an older header goes on working. Each call is one record; nothing is kept here, so
// they work from any thread, in signal handlers, and before and after a fork.
#ifndef MEMPROF_HOOKS_ANNOTATE_H
#define MEMPROF_HOOKS_ANNOTATE_H

#include <stddef.h>

extern "C" {
void memprof_v1_pool_create(const void* pool, const char* name, const void* memory, size_t bytes);
void memprof_v1_pool_memory(const void* pool, const void* memory, size_t bytes);
void memprof_v1_pool_destroy(const void* pool);
void memprof_v1_pool_clear(const void* pool);
void memprof_v1_pool_alloc(const void* pool, const void* block, size_t bytes);
void memprof_v1_pool_free(const void* pool, const void* block);
void memprof_v1_type(const void* block, const char* name);
void memprof_v1_ignore(const void* block);
void memprof_v1_ignore_begin(void);
void memprof_v1_ignore_end(void);
void memprof_v1_mark(const char* text);
}

#endif
