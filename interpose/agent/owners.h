// What native memory the JavaScript objects of one isolate hold, read out of V8's heap without running
// a line of JavaScript: no property is asked for, no getter, trap or interceptor can be met. An object is
// looked at where it lies while V8 lists it; what its pointers lead to is read with copies that
// cannot fault.
#ifndef MEMPROF_AGENT_OWNERS_H
#define MEMPROF_AGENT_OWNERS_H

#include <stddef.h>
#include <stdint.h>

#include "../wire.h"
#include "environment.h"
#include "pages.h"

namespace memprof {

// Of one checkpoint, for all isolates; 80 MiB of rows at most.
struct OwnerList {
  Pages<OwnerRow> rows{2'000'000};
  Pages<char> strings{64u << 20};
  uint32_t objectCount = 0;
  bool isCut = false;  // something was left out

  // The offset of a name in the strings; equal ones are there once.
  uint32_t intern(const char* name, size_t bytes);
  // Another isolate's.
  void append(const OwnerList& other);

 private:
  WordMap<uint32_t> names_{1'000'000};  // by hash
};

// Appends what the objects of the calling thread's isolate hold. V8 collects garbage for it. withIds: each row gets its
// object's id in the last heap snapshot. False: it could not be done.
bool find_owners(const Environment& self, bool withIds, OwnerList* list);

}  // namespace memprof

#endif
