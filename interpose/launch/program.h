// Which file a command means, and whether the shim can be preloaded into it for certain.
#ifndef MEMPROF_LAUNCH_PROGRAM_H
#define MEMPROF_LAUNCH_PROGRAM_H

#include <limits.h>

namespace launch {

// As a shell finds it: absolute, into path[PATH_MAX]. False: not there, not executable, or too long.
bool find_program(const char* name, char* path);

// A dynamic program of this machine for glibc, without privileges of its own. Scripts are not.
bool is_preloadable(const char* path);

// Whether a file can be made beside the output (nullptr: in the current folder).
bool can_write_beside(const char* output);

// Nothing is there, or a file that may be overwritten.
bool is_free(const char* output, bool isForced);

}  // namespace launch

#endif
