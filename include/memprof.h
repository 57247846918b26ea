/* memprof.h: tells memprof what it cannot see of a program by itself: allocators of your own, what a block is,
 * which blocks are meant to stay. C89 and later, C++98 and later. No library to link.
 *
 * Without memprof each macro is one load and one branch, and its arguments are not evaluated: give them no side
 * effects. The symbols are weak and undefined; memprof-run's preloaded library provides them. With
 * MEMPROF_DISABLED defined, and where objects are not ELF, there is no code at all.
 *
 * Every macro may be used from any thread, in signal handlers, and after a fork. Misuse (an unknown pool, a block
 * that is released twice) is counted and told in the report; it harms nothing.
 *
 * Licence: MIT. */
#ifndef MEMPROF_H
#define MEMPROF_H

/* Raised when macros are added. What there is never changes its meaning. */
#define MEMPROF_H_VERSION 1

#include <stddef.h>

#if !defined(MEMPROF_DISABLED) && defined(__ELF__) && defined(__GNUC__)

#ifdef __cplusplus
extern "C" {
#endif

/* Default visibility, whatever -fvisibility and pragmas say: a hidden symbol would never find its definition. */
#define MEMPROF_WEAK_ __attribute__((__weak__, __visibility__("default")))
extern MEMPROF_WEAK_ void memprof_v1_pool_create(const void *pool, const char *name, const void *memory,
                                                 size_t bytes);
extern MEMPROF_WEAK_ void memprof_v1_pool_memory(const void *pool, const void *memory, size_t bytes);
extern MEMPROF_WEAK_ void memprof_v1_pool_destroy(const void *pool);
extern MEMPROF_WEAK_ void memprof_v1_pool_clear(const void *pool);
extern MEMPROF_WEAK_ void memprof_v1_pool_alloc(const void *pool, const void *block, size_t bytes);
extern MEMPROF_WEAK_ void memprof_v1_pool_free(const void *pool, const void *block);
extern MEMPROF_WEAK_ void memprof_v1_type(const void *block, const char *name);
extern MEMPROF_WEAK_ void memprof_v1_ignore(const void *block);
extern MEMPROF_WEAK_ void memprof_v1_ignore_begin(void);
extern MEMPROF_WEAK_ void memprof_v1_ignore_end(void);
extern MEMPROF_WEAK_ void memprof_v1_mark(const char *text);

#ifdef __cplusplus
}
#endif

#define MEMPROF_CALL_(function, arguments) \
  do {                                     \
    if (function) function arguments;      \
  } while (0)

/* 1 under memprof-run, else 0: for work that only memprof needs. */
#define MEMPROF_LOADED() (memprof_v1_mark ? 1 : 0)

#else

#define MEMPROF_CALL_(function, arguments) \
  do {                                     \
  } while (0)
#define MEMPROF_LOADED() 0

#endif

/* A pool: an allocator of your own, which hands out blocks of memory that it got elsewhere.
 *
 *   pool    any address that stands for it, the same in all calls: mostly that of the allocator's own struct
 *   name    what reports call it; pools of one name may be many
 *   memory  the memory that it hands out, and its bytes, as far as known now. NULL, 0: told later, or never */
#define MEMPROF_POOL_CREATE(pool, name, memory, bytes) \
  MEMPROF_CALL_(memprof_v1_pool_create, ((pool), (name), (memory), (bytes)))

/* The pool has got more memory. */
#define MEMPROF_POOL_MEMORY(pool, memory, bytes) \
  MEMPROF_CALL_(memprof_v1_pool_memory, ((pool), (memory), (bytes)))

/* The pool ends, and with it what it still has handed out. Before its memory is given back. */
#define MEMPROF_POOL_DESTROY(pool) MEMPROF_CALL_(memprof_v1_pool_destroy, ((pool)))

/* Everything that the pool has handed out comes back at once (an arena's reset); the pool and its memory stay. */
#define MEMPROF_POOL_CLEAR(pool) MEMPROF_CALL_(memprof_v1_pool_clear, ((pool)))

/* The pool has handed out a block: after it did. NULL is passed over. */
#define MEMPROF_POOL_ALLOC(pool, block, bytes) \
  MEMPROF_CALL_(memprof_v1_pool_alloc, ((pool), (block), (bytes)))

/* The pool is about to take a block back: before it can hand it out again. NULL is passed over. */
#define MEMPROF_POOL_FREE(pool, block) MEMPROF_CALL_(memprof_v1_pool_free, ((pool), (block)))

/* What the live block that begins there is, from malloc or from a pool (then the pool's). Reports show it instead of
 * what memprof found out. It goes with the block through realloc. */
#define MEMPROF_TYPE(block, name) MEMPROF_CALL_(memprof_v1_type, ((block), (name)))

/* The live block that begins there is meant to stay: it is never a leak, nor is what only it points to. */
#define MEMPROF_IGNORE(block) MEMPROF_CALL_(memprof_v1_ignore, ((block)))

/* What this thread allocates between the two is meant to stay. They nest. */
#define MEMPROF_IGNORE_BEGIN() MEMPROF_CALL_(memprof_v1_ignore_begin, ())
#define MEMPROF_IGNORE_END() MEMPROF_CALL_(memprof_v1_ignore_end, ())

/* Gives this moment a name in the recording. */
#define MEMPROF_MARK(text) MEMPROF_CALL_(memprof_v1_mark, ((text)))

#endif
