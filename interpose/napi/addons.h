// Meets addons when they are loaded, and puts the calls of calls.h in the place of Node's in them.
#ifndef MEMPROF_NAPI_ADDONS_H
#define MEMPROF_NAPI_ADDONS_H

#include <stdint.h>

namespace mp::napi {

using Open = void* (*)(const char* path, int mode);

// What the program's dlopen shall jump to: the real one; or, where Node itself loads an addon, one that
// calls the real one and patches what it loaded before anybody can call into it.
//
// The loader asks who called dlopen for three things: the caller's $ORIGIN (in a path with '$'), its
// RPATH and RUNPATH (in a path without '/'), and its namespace. Of Node's own image, with a path that has a '/' and no '$', none matters.
Open open_for(Open real, const char* path, uintptr_t caller);

void after_fork_child();

}  // namespace mp::napi

#endif
