// The one list of hooked functions. Declarations, originals, their lookup and the check that each
// hook exists all come from it, so nothing is half hooked.
//
//   MP_REQUIRED(result, name, parameters): every supported C library has it.
//   MP_OPTIONAL(result, name, parameters): looked up, may be absent; the hook then does without.
#ifndef MEMPROF_HOOKS_TABLE_H
#define MEMPROF_HOOKS_TABLE_H

#define MP_HOOKS(MP_REQUIRED, MP_OPTIONAL)                             \
  MP_REQUIRED(void*, malloc, (size_t))                                 \
  MP_REQUIRED(void*, calloc, (size_t, size_t))                         \
  MP_REQUIRED(void*, realloc, (void*, size_t))                         \
  MP_REQUIRED(void, free, (void*))                                     \
  MP_OPTIONAL(void, free_sized, (void*, size_t))                       \
  MP_OPTIONAL(void, free_aligned_sized, (void*, size_t, size_t))       \
  MP_REQUIRED(int, posix_memalign, (void**, size_t, size_t))           \
  MP_OPTIONAL(void*, aligned_alloc, (size_t, size_t))                  \
  MP_OPTIONAL(void*, memalign, (size_t, size_t))                       \
  MP_OPTIONAL(void*, valloc, (size_t))                                 \
  MP_OPTIONAL(void*, pvalloc, (size_t))                                \
  MP_OPTIONAL(int, malloc_trim, (size_t))                              \
  MP_REQUIRED(void*, mmap, (void*, size_t, int, int, int, off_t))      \
  MP_OPTIONAL(void*, mmap64, (void*, size_t, int, int, int, off64_t))  \
  MP_REQUIRED(int, munmap, (void*, size_t))                            \
  MP_OPTIONAL(void*, mremap, (void*, size_t, size_t, int, ...))        \
  MP_OPTIONAL(int, brk, (void*))                                       \
  MP_OPTIONAL(void*, sbrk, (intptr_t))                                 \
  MP_REQUIRED(void*, dlopen, (const char*, int))                       \
  MP_REQUIRED(int, dlclose, (void*))                                   \
  MP_OPTIONAL(int, pthread_setname_np, (pthread_t, const char*))       \
  MP_REQUIRED(int, pthread_mutex_unlock, (pthread_mutex_t*))           \
  MP_REQUIRED(pid_t, fork, (void))                                     \
  MP_OPTIONAL(pid_t, _Fork, (void))                                    \
  MP_REQUIRED(void, _exit, (int))                                      \
  MP_REQUIRED(void, _Exit, (int))                                      \
  MP_OPTIONAL(void, quick_exit, (int))                                 \
  MP_REQUIRED(int, execve, (const char*, char* const*, char* const*))  \
  MP_REQUIRED(int, execv, (const char*, char* const*))                 \
  MP_REQUIRED(int, execvp, (const char*, char* const*))                \
  MP_OPTIONAL(int, execvpe, (const char*, char* const*, char* const*)) \
  MP_OPTIONAL(int, fexecve, (int, char* const*, char* const*))

#endif
