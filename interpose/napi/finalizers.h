// Stands in for an addon's finalizer, so that its run is recorded: our function and an entry of our pool go
// to Node in the place of the addon's function and hint, and the addon's own is left to by a jump.
#ifndef MEMPROF_NAPI_FINALIZERS_H
#define MEMPROF_NAPI_FINALIZERS_H

#include "node.h"
#include "resources.h"

namespace mp::napi {

// Of environments: finalize(env, data, hint).
class Finalizer {
 public:
  // callback nullptr: there is nothing to stand in for.
  Finalizer(uint8_t kind, void* env, uint16_t environment, void* data, void* callback, void* hint);

  bool isOurs() const { return resource_ != nullptr; }
  // The resource exists: its NEW is written and, if its finalizer ran in the meantime, its END.
  void announce(const Facts& facts, unwind::Entry entry);
  // It was not made, and its finalizer will not run.
  void withdraw();
  // It was not made, and nobody knows whether its finalizer will run: the entry stays.
  void abandon() { resource_ = nullptr; }
  Resource* resource() const { return resource_; }
  uint64_t id() const { return id_; }

 private:
  Resource* resource_ = nullptr;
  uint64_t id_ = 0;
};

void finalize(Env env, void* data, void* hint);
// The same where `env` may be gone when it comes.
void finalize_without_env(Env env, void* data, void* hint);
void finalize_bare(void* data, void* hint);
void free_buffer(char* data, void* hint);

}  // namespace mp::napi

#endif
