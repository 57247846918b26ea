// The OS contract: everything that the shim needs of the system, in one place, so that a port is one
// new file beside os_linux.cc. Nothing here allocates, locks, or changes errno; failures come back as
// negative errno values.
#ifndef MEMPROF_OS_H
#define MEMPROF_OS_H

#include <stddef.h>
#include <stdint.h>

namespace mp::os {

int pid();
int ppid();
int tid();
void yield();
void sleep_ns(uint64_t ns);
uint64_t realtime_ns();
uint64_t monotonic_ns();

// pre: path is absolute. Makes a file of `bytes` with its space reserved (so that touching the
// mapping can never raise SIGBUS), maps it shared, gives it its final name, keeps no descriptor.
// Returns the mapping or nullptr with *error set. -EEXIST: the final name is taken.
void* create_shared(const char* path, const char* temporaryPath, size_t bytes, int* error);
// Maps an existing file shared and writable; nullptr with *error set.
void* open_shared(const char* path, size_t bytes, int* error);
bool exists(const char* path);

// True when nobody holds flock(LOCK_EX) on the file any more (or the file is gone).
bool lock_is_free(const char* path);

// A private, process-wide expedited barrier is paid by the reader; the traced side has to register.
void register_for_barriers();

// Bytes read, or negative errno. For /proc files of a few KiB.
long read_file(const char* path, char* buffer, size_t capacity);
long read_link(const char* path, char* buffer, size_t capacity);

// Calls back for every mapping that overlaps [low, high). Slow: reads /proc/self/maps.
struct Mapping {
  uintptr_t low, high;
  uint64_t fileOffset;
  bool readable, writable, executable;
  const char* path;  // '' for anonymous memory; valid during the call only
};
using MappingVisitor = bool (*)(const Mapping& mapping, void* context);  // false: enough
void visit_mappings(MappingVisitor visitor, void* context);

// The bounds of the calling thread's stack as the thread library knows them. false: unknown.
bool thread_stack(uintptr_t* low, uintptr_t* high);

}  // namespace mp::os

#endif
