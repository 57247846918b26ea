// Node-API's calls. See calls.h.
#include <errno.h>

#include "../base.h"
#include "../hooks/record.h"
#include "../ring/process.h"
#include "calls.h"
#include "class_names.h"
#include "environments.h"
#include "finalizers.h"
#include "node.h"
#include "resources.h"

namespace mp::napi {
namespace {

constexpr Status kOk = 0;

// What a call is about, with errno kept for the program until the end of the call.
struct Noted {
  Noted() : saved(errno) {}
  ~Noted() { errno = saved; }
  Noted(const Noted&) = delete;
  Noted& operator=(const Noted&) = delete;
  int saved;
};

Facts facts_of(uint8_t kind, Env env) {
  Facts facts;
  facts.kind = kind;
  facts.environment = number_of(env, true);
  return facts;
}

// A resource with a handle and nothing else to it.
void made(const Facts& facts, Env env, unwind::Entry entry) {
  add(facts, write_new(facts, entry), facts.handle, env);
}

void ended(const Resource& resource, uint8_t how = MP_RESOURCE_END_EXPLICIT) {
  write_end(resource.id, resource.kind, resource.environment, how);
}

void gone(uint8_t kind, const void* key) {
  Resource copy;
  if (remove(kind, key, 0, &copy)) ended(copy);
}

uint64_t id_of(uint8_t kind, const void* key) {
  Resource copy;
  return find(kind, key, &copy) ? copy.id : 0;
}

void gone_if_same(uint8_t kind, const void* key, uint64_t id) {
  Resource copy;
  if (id != 0 && remove(kind, key, id, &copy)) ended(copy);
}

// ---- wraps and references

// The reference that a call gave besides what it was for; the addon has to delete it.
void made_reference(Env env, Handle reference, const Facts& of, const Resource* companion,
                    unwind::Entry entry) {
  Facts facts = of;
  facts.kind = MP_RESOURCE_REFERENCE;
  facts.isUnwatched = false;
  facts.handle = reference;
  facts.value = 0;
  add(facts, write_new(facts, entry), reference, env, companion);
}

// napi_wrap and napi_add_finalizer: a finalizer, maybe a reference.
template <typename Real>
Status attach(uint8_t kind, Real real, Env env, Value object, void* data, Finalize callback, void* hint,
              Handle* result, unwind::Entry entry) {
  if (!recording()) return real(env, object, data, callback, hint, result);
  Facts facts = facts_of(kind, env);
  {
    Noted noted;
    facts.text = class_of(object, true);
  }
  facts.data = data;
  facts.isUnwatched = callback == nullptr;
  Finalizer finalizer(kind, env, facts.environment, data, reinterpret_cast<void*>(callback), hint);
  Status status = finalizer.isOurs() ? real(env, object, data, finalize, finalizer.resource(), result)
                                     : real(env, object, data, callback, hint, result);
  Noted noted;
  if (status != kOk) {
    finalizer.withdraw();
    return status;
  }
  if (result != nullptr) facts.handle = *result;
  facts.isUnwatched = !finalizer.isOurs();
  Resource* resource = finalizer.resource();
  finalizer.announce(facts, entry);
  const void* key = kind == MP_RESOURCE_WRAP ? data : facts.handle;
  bool isFindable = kind == MP_RESOURCE_WRAP || key != nullptr;
  if (resource == nullptr) {
    resource = isFindable ? add(facts, finalizer.id(), key, env) : nullptr;
  } else if (isFindable) {
    resource->key = reinterpret_cast<uint64_t>(key);
    link(resource);
  }
  if (result != nullptr) made_reference(env, *result, facts, resource, entry);
  return status;
}

Status wrap(Env env, Value object, void* data, Finalize callback, void* hint, Handle* result) {
  return attach(MP_RESOURCE_WRAP, napi_wrap, env, object, data, callback, hint, result, MP_CALLER);
}

Status add_finalizer(Env env, Value object, void* data, Finalize callback, void* hint, Handle* result) {
  return attach(MP_RESOURCE_FINALIZER, napi_add_finalizer, env, object, data, callback, hint, result,
                MP_CALLER);
}

Status remove_the_wrap(Env env, Value object, void** result) {
  void* data = nullptr;
  void** out = result != nullptr ? result : &data;
  Status status = napi_remove_wrap(env, object, out);
  if (status == kOk && recording()) {
    Noted noted;
    Resource copy;
    if (remove_wrap(env, *out, &copy)) ended(copy);
  }
  return status;
}

Status create_reference(Env env, Value value, uint32_t count, Handle* result) {
  uint32_t text = 0;
  if (recording()) {
    Noted noted;
    text = class_of(value, true);
  }
  Status status = napi_create_reference(env, value, count, result);
  if (status == kOk && recording()) {
    Noted noted;
    Facts facts = facts_of(MP_RESOURCE_REFERENCE, env);
    facts.handle = *result;
    facts.value = count;
    facts.text = text;
    made(facts, env, MP_CALLER);
  }
  return status;
}

Status delete_reference(Env env, Handle reference) {
  if (recording() && reference != nullptr) {
    Noted noted;
    Resource companion;
    if (end_companion(reference, &companion)) ended(companion);
    gone(MP_RESOURCE_REFERENCE, reference);
  }
  return napi_delete_reference(env, reference);
}

void counted(uint8_t kind, Handle handle, int64_t value) {
  Resource copy;
  if (change(kind, handle, &copy, [value](int64_t) { return value; }))
    write_change(copy.id, kind, copy.environment, value);
}

template <typename Real>
Status count_reference(Real real, Env env, Handle reference, uint32_t* result) {
  uint32_t count = 0;
  uint32_t* out = result != nullptr ? result : &count;
  Status status = real(env, reference, out);
  if (status == kOk && recording()) {
    Noted noted;
    counted(MP_RESOURCE_REFERENCE, reference, *out);
  }
  return status;
}

Status reference_ref(Env env, Handle reference, uint32_t* result) {
  return count_reference(napi_reference_ref, env, reference, result);
}

Status reference_unref(Env env, Handle reference, uint32_t* result) {
  return count_reference(napi_reference_unref, env, reference, result);
}

// ---- externals

// call(callback, hint): the real call.
template <typename Callback, typename Call>
Status external(uint8_t kind, Env env, void* data, size_t bytes, Callback callback, Callback ours, void* hint,
                unwind::Entry entry, Call call) {
  if (!recording()) return call(callback, hint);
  Facts facts = facts_of(kind, env);
  facts.data = data;
  facts.value = static_cast<int64_t>(bytes);
  Finalizer finalizer(kind, env, facts.environment, data, reinterpret_cast<void*>(callback), hint);
  facts.isUnwatched = !finalizer.isOurs();
  Status status = finalizer.isOurs() ? call(ours, finalizer.resource()) : call(callback, hint);
  Noted noted;
  if (status == kOk) {
    finalizer.announce(facts, entry);
  } else {
    finalizer.abandon();
  }
  return status;
}

Status create_external(Env env, void* data, Finalize callback, void* hint, Value* result) {
  return external(MP_RESOURCE_EXTERNAL, env, data, 0, callback, finalize, hint, MP_CALLER,
                  [=](Finalize f, void* h) { return napi_create_external(env, data, f, h, result); });
}

Status create_external_latin1(Env env, char* text, size_t length, Finalize callback, void* hint,
                              Value* result, bool* copied) {
  size_t bytes = length == SIZE_MAX && text != nullptr ? strlen(text) : length;
  return external(MP_RESOURCE_EXTERNAL, env, text, bytes, callback, finalize_without_env, hint, MP_CALLER,
                  [=](Finalize f, void* h) {
                    return node_api_create_external_string_latin1(env, text, length, f, h, result, copied);
                  });
}

Status create_external_utf16(Env env, char16_t* text, size_t length, Finalize callback, void* hint,
                             Value* result, bool* copied) {
  size_t characters = length;
  if (length == SIZE_MAX && text != nullptr)
    for (characters = 0; text[characters] != 0;) ++characters;
  return external(MP_RESOURCE_EXTERNAL, env, text, 2 * characters, callback, finalize_without_env, hint,
                  MP_CALLER, [=](Finalize f, void* h) {
                    return node_api_create_external_string_utf16(env, text, length, f, h, result, copied);
                  });
}

Status create_external_buffer(Env env, size_t bytes, void* data, Finalize callback, void* hint,
                              Value* result) {
  return external(
      MP_RESOURCE_EXTERNAL_BUFFER, env, data, bytes, callback, finalize, hint, MP_CALLER,
      [=](Finalize f, void* h) { return napi_create_external_buffer(env, bytes, data, f, h, result); });
}

Status create_external_arraybuffer(Env env, void* data, size_t bytes, Finalize callback, void* hint,
                                   Value* result) {
  return external(
      MP_RESOURCE_EXTERNAL_ARRAYBUFFER, env, data, bytes, callback, finalize, hint, MP_CALLER,
      [=](Finalize f, void* h) { return napi_create_external_arraybuffer(env, data, bytes, f, h, result); });
}

Status create_external_shared(Env env, void* data, size_t bytes, FinalizeBare callback, void* hint,
                              Value* result) {
  return external(MP_RESOURCE_EXTERNAL_ARRAYBUFFER, env, data, bytes, callback, finalize_bare, hint,
                  MP_CALLER, [=](FinalizeBare f, void* h) {
                    return node_api_create_external_sharedarraybuffer(env, data, bytes, f, h, result);
                  });
}

Status post_finalizer(Env env, Finalize callback, void* data, void* hint) {
  return external(MP_RESOURCE_FINALIZER, env, data, 0, callback, finalize, hint, MP_CALLER,
                  [=](Finalize f, void* h) { return node_api_post_finalizer(env, f, data, h); });
}

// ---- work, functions for threads, promises, contexts

Status create_async_work(Env env, Value resource, Value name, Code execute, Code complete, void* data,
                         Handle* result) {
  Status status = napi_create_async_work(env, resource, name, execute, complete, data, result);
  if (status == kOk && recording()) {
    Noted noted;
    Facts facts = facts_of(MP_RESOURCE_ASYNC_WORK, env);
    facts.data = data;
    facts.handle = *result;
    made(facts, env, MP_CALLER);
  }
  return status;
}

Status delete_async_work(Env env, Handle work) {
  if (recording() && work != nullptr) {
    Noted noted;
    gone(MP_RESOURCE_ASYNC_WORK, work);
  }
  return napi_delete_async_work(env, work);
}

Status create_threadsafe_function(Env env, Value function, Value resource, Value name, size_t queueSize,
                                  size_t threadCount, void* finalizeData, Finalize finalizeCallback,
                                  void* context, Code callJs, Handle* result) {
  Status status = napi_create_threadsafe_function(env, function, resource, name, queueSize, threadCount,
                                                  finalizeData, finalizeCallback, context, callJs, result);
  if (status == kOk && recording()) {
    Noted noted;
    Facts facts = facts_of(MP_RESOURCE_THREADSAFE_FUNCTION, env);
    facts.data = finalizeData != nullptr ? finalizeData : context;
    facts.handle = *result;
    facts.value = static_cast<int64_t>(threadCount);
    made(facts, env, MP_CALLER);
  }
  return status;
}

Status acquire_threadsafe_function(Handle function) {
  Status status = napi_acquire_threadsafe_function(function);
  if (status == kOk && recording()) {
    Noted noted;
    Resource copy;
    if (change(MP_RESOURCE_THREADSAFE_FUNCTION, function, &copy, [](int64_t count) { return count + 1; }))
      write_change(copy.id, copy.kind, copy.environment, copy.value);
  }
  return status;
}

// The last release ends it, and Node deletes it when it likes: so it is told before the call.
Status release_threadsafe_function(Handle function, int mode) {
  constexpr int kAbort = 1;
  if (recording() && function != nullptr) {
    Noted noted;
    Resource copy;
    if (change(MP_RESOURCE_THREADSAFE_FUNCTION, function, &copy, [](int64_t count) { return count - 1; })) {
      if (copy.value <= 0 || mode == kAbort) {
        gone_if_same(MP_RESOURCE_THREADSAFE_FUNCTION, function, copy.id);
      } else {
        write_change(copy.id, copy.kind, copy.environment, copy.value);
      }
    }
  }
  return napi_release_threadsafe_function(function, mode);
}

Status create_promise(Env env, Handle* deferred, Value* promise) {
  Status status = napi_create_promise(env, deferred, promise);
  if (status == kOk && recording()) {
    Noted noted;
    Facts facts = facts_of(MP_RESOURCE_DEFERRED, env);
    facts.handle = *deferred;
    made(facts, env, MP_CALLER);
  }
  return status;
}

// With an exception pending nothing is settled, and the deferred lives on.
template <typename Real>
Status settle(Real real, Env env, Handle deferred, Value value) {
  uint64_t id = recording() ? id_of(MP_RESOURCE_DEFERRED, deferred) : 0;
  Status status = real(env, deferred, value);
  if (status == kOk) {
    Noted noted;
    gone_if_same(MP_RESOURCE_DEFERRED, deferred, id);
  }
  return status;
}

Status resolve_deferred(Env env, Handle deferred, Value value) {
  return settle(napi_resolve_deferred, env, deferred, value);
}

Status reject_deferred(Env env, Handle deferred, Value value) {
  return settle(napi_reject_deferred, env, deferred, value);
}

Status async_init(Env env, Value resource, Value name, Handle* result) {
  Status status = napi_async_init(env, resource, name, result);
  if (status == kOk && recording()) {
    Noted noted;
    Facts facts = facts_of(MP_RESOURCE_ASYNC_CONTEXT, env);
    facts.handle = *result;
    made(facts, env, MP_CALLER);
  }
  return status;
}

Status async_destroy(Env env, Handle context) {
  if (recording() && context != nullptr) {
    Noted noted;
    gone(MP_RESOURCE_ASYNC_CONTEXT, context);
  }
  return napi_async_destroy(env, context);
}

// ---- hooks and instance data

// A hook is told apart by all three; equal ones cannot be added twice.
const void* hook_key(Env env, Hook hook, void* argument) {
  uint64_t mixed = reinterpret_cast<uint64_t>(env) * UINT64_C(0x9e3779b97f4a7c15);
  mixed = (mixed ^ reinterpret_cast<uint64_t>(hook)) * UINT64_C(0xc2b2ae3d27d4eb4f);
  return reinterpret_cast<const void*>((mixed ^ reinterpret_cast<uint64_t>(argument)) | 1);
}

Status add_env_cleanup_hook(Env env, Hook hook, void* argument) {
  Status status = napi_add_env_cleanup_hook(env, hook, argument);
  if (status == kOk && recording()) {
    Noted noted;
    Facts facts = facts_of(MP_RESOURCE_CLEANUP_HOOK, env);
    facts.data = argument;
    add(facts, write_new(facts, MP_CALLER), hook_key(env, hook, argument), env);
  }
  return status;
}

Status remove_env_cleanup_hook(Env env, Hook hook, void* argument) {
  Status status = napi_remove_env_cleanup_hook(env, hook, argument);
  if (status == kOk && recording()) {
    Noted noted;
    gone(MP_RESOURCE_CLEANUP_HOOK, hook_key(env, hook, argument));
  }
  return status;
}

Status add_async_cleanup_hook(Env env, AsyncHook hook, void* argument, Handle* result) {
  Status status = napi_add_async_cleanup_hook(env, hook, argument, result);
  if (status == kOk && recording()) {
    Noted noted;
    Facts facts = facts_of(MP_RESOURCE_ASYNC_CLEANUP_HOOK, env);
    facts.data = argument;
    facts.handle = result == nullptr ? nullptr : *result;
    uint64_t id = write_new(facts, MP_CALLER);
    if (facts.handle != nullptr) add(facts, id, facts.handle, env);
  }
  return status;
}

Status remove_async_cleanup_hook(Handle handle) {
  if (recording() && handle != nullptr) {
    Noted noted;
    gone(MP_RESOURCE_ASYNC_CLEANUP_HOOK, handle);
  }
  return napi_remove_async_cleanup_hook(handle);
}

// New data takes the place of the old, whose finalizer is forgotten.
Status set_instance_data(Env env, void* data, Finalize callback, void* hint) {
  if (!recording()) return napi_set_instance_data(env, data, callback, hint);
  Facts facts = facts_of(MP_RESOURCE_INSTANCE_DATA, env);
  facts.data = data;
  Finalizer finalizer(facts.kind, env, facts.environment, data, reinterpret_cast<void*>(callback), hint);
  Status status = finalizer.isOurs() ? napi_set_instance_data(env, data, finalize, finalizer.resource())
                                     : napi_set_instance_data(env, data, callback, hint);
  Noted noted;
  if (status != kOk) {
    finalizer.withdraw();
    return status;
  }
  gone(MP_RESOURCE_INSTANCE_DATA, env);
  finalizer.announce(facts, MP_CALLER);
  if (Resource* resource = finalizer.resource(); resource != nullptr) {
    resource->key = reinterpret_cast<uint64_t>(env);
    link(resource);
  } else {
    add(facts, finalizer.id(), env, env);
  }
  return status;
}

// ---- handle scopes, external memory

Status open_handle_scope(Env env, Handle* result) {
  Status status = napi_open_handle_scope(env, result);
  if (status == kOk && recording()) {
    Noted noted;
    scope_opened(env, *result, MP_CALLER);
  }
  return status;
}

Status open_escapable_handle_scope(Env env, Handle* result) {
  Status status = napi_open_escapable_handle_scope(env, result);
  if (status == kOk && recording()) {
    Noted noted;
    scope_opened(env, *result, MP_CALLER);
  }
  return status;
}

Status close_handle_scope(Env env, Handle scope) {
  if (recording()) scope_closed(env, scope);
  return napi_close_handle_scope(env, scope);
}

Status close_escapable_handle_scope(Env env, Handle scope) {
  if (recording()) scope_closed(env, scope);
  return napi_close_escapable_handle_scope(env, scope);
}

Status adjust_external_memory(Env env, int64_t change, int64_t* result) {
  Status status = napi_adjust_external_memory(env, change, result);
  if (status == kOk && recording()) {
    Noted noted;
    external_memory_changed(env, true, change, MP_CALLER);
  }
  return status;
}

#define MP_CALL(name, ours)                                                                       \
  Call {                                                                                          \
#name, Replacement { reinterpret_cast<uintptr_t>(&name), reinterpret_cast<uintptr_t>(&ours) } \
  }

}  // namespace

// One entry in the table for each function of MP_NODE_API_LIST.
const Call* node_api_calls(size_t* count) {
  static const Call calls[] = {
      MP_CALL(napi_wrap, wrap),
      MP_CALL(napi_remove_wrap, remove_the_wrap),
      MP_CALL(napi_create_reference, create_reference),
      MP_CALL(napi_delete_reference, delete_reference),
      MP_CALL(napi_reference_ref, reference_ref),
      MP_CALL(napi_reference_unref, reference_unref),
      MP_CALL(napi_create_external, create_external),
      MP_CALL(node_api_create_external_string_latin1, create_external_latin1),
      MP_CALL(node_api_create_external_string_utf16, create_external_utf16),
      MP_CALL(napi_create_external_buffer, create_external_buffer),
      MP_CALL(napi_create_external_arraybuffer, create_external_arraybuffer),
      MP_CALL(node_api_create_external_sharedarraybuffer, create_external_shared),
      MP_CALL(napi_create_async_work, create_async_work),
      MP_CALL(napi_delete_async_work, delete_async_work),
      MP_CALL(napi_create_threadsafe_function, create_threadsafe_function),
      MP_CALL(napi_acquire_threadsafe_function, acquire_threadsafe_function),
      MP_CALL(napi_release_threadsafe_function, release_threadsafe_function),
      MP_CALL(napi_create_promise, create_promise),
      MP_CALL(napi_resolve_deferred, resolve_deferred),
      MP_CALL(napi_reject_deferred, reject_deferred),
      MP_CALL(napi_add_env_cleanup_hook, add_env_cleanup_hook),
      MP_CALL(napi_remove_env_cleanup_hook, remove_env_cleanup_hook),
      MP_CALL(napi_add_async_cleanup_hook, add_async_cleanup_hook),
      MP_CALL(napi_remove_async_cleanup_hook, remove_async_cleanup_hook),
      MP_CALL(napi_set_instance_data, set_instance_data),
      MP_CALL(napi_open_handle_scope, open_handle_scope),
      MP_CALL(napi_close_handle_scope, close_handle_scope),
      MP_CALL(napi_open_escapable_handle_scope, open_escapable_handle_scope),
      MP_CALL(napi_close_escapable_handle_scope, close_escapable_handle_scope),
      MP_CALL(napi_adjust_external_memory, adjust_external_memory),
      MP_CALL(napi_add_finalizer, add_finalizer),
      MP_CALL(node_api_post_finalizer, post_finalizer),
      MP_CALL(napi_async_init, async_init),
      MP_CALL(napi_async_destroy, async_destroy),
  };
#define MP_ONE(result, name, parameters) +1
  static_assert(sizeof calls / sizeof calls[0] == 0 MP_NODE_API_LIST(MP_ONE), "every function has its call");
#undef MP_ONE
  *count = sizeof calls / sizeof calls[0];
  return calls;
}

}  // namespace mp::napi
