// What stands in the place of Node's functions in addons. Each: the real call with the program's own
// arguments and result, and a record. A creation is told after the call, a release before it where the
// handle's address may be anybody's afterwards. errno, pending exceptions and results stay the real call's.
#ifndef MEMPROF_NAPI_CALLS_H
#define MEMPROF_NAPI_CALLS_H

#include "elf_patch.h"

#define MP_CALLER \
  ::mp::unwind::Entry { reinterpret_cast<uintptr_t>(__builtin_frame_address(0)) }

namespace mp::napi {

struct Call {
  const char* name;
  Replacement replacement;
};

const Call* node_api_calls(size_t* count);
const Call* v8_calls(size_t* count);

}  // namespace mp::napi

#endif
