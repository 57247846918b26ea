// Requests that are queued, and the stack that queued each. Under the pool's mutex; pages of its own.
#ifndef MEMPROF_QUEUED_PENDING_H
#define MEMPROF_QUEUED_PENDING_H

#include <stdint.h>

namespace mp::queued {

class Pending {
 public:
  void put(uintptr_t request, uint32_t stack);
  // False: the request is not known.
  bool take(uintptr_t request, uint32_t* stack);
  void clear();
  uint32_t count() const { return count_; }

 private:
  struct Slot {
    uintptr_t request;  // 0: empty
    uint32_t stack;
  };
  bool grow();
  uint32_t place_of(uintptr_t request) const;

  Slot* slots_;
  uint32_t mask_;
  uint32_t count_;
};

}  // namespace mp::queued

#endif
