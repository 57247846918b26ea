#include "finalizers.h"

#include <errno.h>

#include "environments.h"

namespace mp::napi {
namespace {

struct Original {
  void* callback;
  void* hint;
};

Original end_of(void* hint, bool isTeardown) {
  int saved = errno;
  Resource copy;
  bool isLast = finish(static_cast<Resource*>(hint), &copy);
  if (isLast) {
    uint8_t how = isTeardown ? MP_RESOURCE_END_TEARDOWN : MP_RESOURCE_END_FINALIZED;
    write_end(copy.id, copy.kind, copy.environment, how);
  }
  errno = saved;
  return Original{copy.callback, copy.hint};
}

}  // namespace

Finalizer::Finalizer(uint8_t kind, void* env, uint16_t environment, void* data, void* callback, void* hint) {
  if (callback == nullptr) return;
  resource_ = take();
  if (resource_ == nullptr) return;
  resource_->kind = kind;
  resource_->env = env;
  resource_->environment = environment;
  resource_->data = data;
  resource_->callback = callback;
  resource_->hint = hint;
}

void Finalizer::announce(const Facts& facts, unwind::Entry entry) {
  id_ = write_new(facts, entry);
  if (resource_ != nullptr && !set_id(resource_, id_))
    write_end(id_, facts.kind, facts.environment, MP_RESOURCE_END_FINALIZED);
}

void Finalizer::withdraw() {
  if (resource_ != nullptr) give_back(resource_);
  resource_ = nullptr;
}

void finalize(Env env, void* data, void* hint) {
  Original original = end_of(hint, is_teardown_of(env));
  reinterpret_cast<Finalize>(original.callback)(env, data, original.hint);
}

void finalize_without_env(Env env, void* data, void* hint) {
  Original original = end_of(hint, is_teardown());
  reinterpret_cast<Finalize>(original.callback)(env, data, original.hint);
}

void finalize_bare(void* data, void* hint) {
  Original original = end_of(hint, is_teardown());
  reinterpret_cast<FinalizeBare>(original.callback)(data, original.hint);
}

void free_buffer(char* data, void* hint) {
  Original original = end_of(hint, is_teardown());
  reinterpret_cast<FreeCallback>(original.callback)(data, original.hint);
}

}  // namespace mp::napi
