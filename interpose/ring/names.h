// Names that the program gives again and again (of types and pools) as text ids: each is written to the meta
// ring once. Without a lock, so that signal handlers may ask.
#ifndef MEMPROF_RING_NAMES_H
#define MEMPROF_RING_NAMES_H

#include <stdint.h>

namespace mp::names {

// What is longer is cut.
constexpr uint32_t kLongest = 1024;

// 0: no name, an empty one, or it cannot be written now (a signal handler that interrupted the shim).
// When there are too many different ones, the rest share a name that says so.
uint32_t id_of(const char* name);

void after_fork_child();

}  // namespace mp::names

#endif
