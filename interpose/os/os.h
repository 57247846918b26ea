// The OS contract: everything that the shim needs of the system, in one place, so that a port is one
// new file beside linux.cc. Nothing here allocates, locks, or changes errno; failures come back as
// negative errno values. All calls go to the kernel directly: the C library's own wrappers may be
// cancellation points, may be hooked by us, or may be hooked by somebody else.
#ifndef MEMPROF_OS_H
#define MEMPROF_OS_H

#include <stddef.h>
#include <stdint.h>

namespace mp::os {

constexpr size_t kPageBytes = 4096;

int pid();
int ppid();
int tid();
void yield();
void sleep_ns(uint64_t ns);
uint64_t realtime_ns();
uint64_t monotonic_ns();
// The calling thread's name, 16 bytes, NUL padded.
void thread_name(char name[16]);

void* map_anonymous(size_t bytes);
void unmap(void* address, size_t bytes);
// Pages of the program's own data: readable, and writable or not.
bool protect(uintptr_t address, size_t bytes, bool isWritable);

// Makes a file and maps it shared, its first reservedBytes with their space reserved: touching these can never
// raise SIGBUS. Keeps no descriptor. nullptr: *error is set.
void* create_shared(const char* temporaryPath, size_t bytes, size_t reservedBytes, int* error);
// Gives these pages of a mapping their memory, so that touching them can never raise SIGBUS. False: there is
// none, or this kernel (before 5.14) cannot say.
bool populate(void* pages, size_t bytes);
// A new file, open for writing; negative: why not.
int create_file(const char* temporaryPath);
// Gives the file its final name, once its header is filled. -EEXIST: the name is taken.
int publish(const char* temporaryPath, const char* path);
void remove(const char* path);
// Maps an existing file's first bytes, shared and writable; nullptr: *error is set.
void* open_shared(const char* path, size_t bytes, int* error);
bool exists(const char* path);

// True when nobody holds flock(LOCK_EX) on the file any more, or the file is gone.
bool lock_is_free(const char* path);

// The reader pays for the memory fence that a recording thread leaves out (membarrier): the process
// that is to be fenced has to register once. False: the system has no such barrier.
bool register_for_barriers();

// Bytes read, or negative errno.
long read_file(const char* path, char* buffer, size_t capacity);
long read_link(const char* path, char* buffer, size_t capacity);
long current_folder(char* buffer, size_t capacity);

// The readable mapping that holds an address. Slow: reads /proc/self/maps. False: none.
bool readable_range(uintptr_t address, uintptr_t* low, uintptr_t* high);
// The same for a mapping that can be executed.
bool executable_range(uintptr_t address, uintptr_t* low, uintptr_t* high);

// The page is part of some mapping.
bool is_mapped(uintptr_t page);

// Where the stack pointer stood when the process began; 0: unknown.
uintptr_t initial_stack();

}  // namespace mp::os

#endif
