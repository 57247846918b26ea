// The class of a JavaScript object, as a text of the meta ring. Runs no JavaScript.
#ifndef MEMPROF_NAPI_CLASS_NAMES_H
#define MEMPROF_NAPI_CLASS_NAMES_H

#include <stdint.h>

namespace mp::napi {

// object: the slot of a handle (a napi_value, a v8::Local, a global handle). 0: no object, or unknown.
// pre: a handle scope is open in the current isolate, if isInScope.
uint32_t class_of(void* object, bool isInScope);

void class_names_after_fork_child();

}  // namespace mp::napi

#endif
