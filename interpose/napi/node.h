// Node's own functions, which addons call: declared weak, so that the loader binds them when the program
// starts and a program that is not Node has none. Handles of Node-API are opaque here. Compared with
// the headers of Node 20.20, 22.23, 24.21 and 26.10; names that only some versions have are so marked.
#ifndef MEMPROF_NAPI_NODE_H
#define MEMPROF_NAPI_NODE_H

#include <stddef.h>
#include <stdint.h>

namespace mp::napi {

using Status = int;  // napi_status; 0: napi_ok
using Env = void*;
using Value = void*;
using Handle = void*;  // napi_ref, napi_deferred, napi_async_work, ...
using Finalize = void (*)(Env env, void* data, void* hint);
using FinalizeBare = void (*)(void* data, void* hint);
using Hook = void (*)(void* argument);
using AsyncHook = void (*)(Handle handle, void* argument);
using Code = void (*)();

// MP_NODE_API(result, name, parameters)
#define MP_NODE_API_LIST(F)                                                                                  \
  F(Status, napi_wrap, (Env, Value, void*, Finalize, void*, Handle*))                                        \
  F(Status, napi_remove_wrap, (Env, Value, void**))                                                          \
  F(Status, napi_create_reference, (Env, Value, uint32_t, Handle*))                                          \
  F(Status, napi_delete_reference, (Env, Handle))                                                            \
  F(Status, napi_reference_ref, (Env, Handle, uint32_t*))                                                    \
  F(Status, napi_reference_unref, (Env, Handle, uint32_t*))                                                  \
  F(Status, napi_create_external, (Env, void*, Finalize, void*, Value*))                                     \
  F(Status, node_api_create_external_string_latin1, (Env, char*, size_t, Finalize, void*, Value*, bool*))    \
  F(Status, node_api_create_external_string_utf16, (Env, char16_t*, size_t, Finalize, void*, Value*, bool*)) \
  F(Status, napi_create_external_buffer, (Env, size_t, void*, Finalize, void*, Value*))                      \
  F(Status, napi_create_external_arraybuffer, (Env, void*, size_t, Finalize, void*, Value*))                 \
  F(Status, node_api_create_external_sharedarraybuffer, (Env, void*, size_t, FinalizeBare, void*, Value*))   \
  F(Status, napi_create_async_work, (Env, Value, Value, Code, Code, void*, Handle*))                         \
  F(Status, napi_delete_async_work, (Env, Handle))                                                           \
  F(Status, napi_create_threadsafe_function,                                                                 \
    (Env, Value, Value, Value, size_t, size_t, void*, Finalize, void*, Code, Handle*))                       \
  F(Status, napi_acquire_threadsafe_function, (Handle))                                                      \
  F(Status, napi_release_threadsafe_function, (Handle, int))                                                 \
  F(Status, napi_create_promise, (Env, Handle*, Value*))                                                     \
  F(Status, napi_resolve_deferred, (Env, Handle, Value))                                                     \
  F(Status, napi_reject_deferred, (Env, Handle, Value))                                                      \
  F(Status, napi_add_env_cleanup_hook, (Env, Hook, void*))                                                   \
  F(Status, napi_remove_env_cleanup_hook, (Env, Hook, void*))                                                \
  F(Status, napi_add_async_cleanup_hook, (Env, AsyncHook, void*, Handle*))                                   \
  F(Status, napi_remove_async_cleanup_hook, (Handle))                                                        \
  F(Status, napi_set_instance_data, (Env, void*, Finalize, void*))                                           \
  F(Status, napi_open_handle_scope, (Env, Handle*))                                                          \
  F(Status, napi_close_handle_scope, (Env, Handle))                                                          \
  F(Status, napi_open_escapable_handle_scope, (Env, Handle*))                                                \
  F(Status, napi_close_escapable_handle_scope, (Env, Handle))                                                \
  F(Status, napi_adjust_external_memory, (Env, int64_t, int64_t*))                                           \
  F(Status, napi_add_finalizer, (Env, Value, void*, Finalize, void*, Handle*))                               \
  F(Status, node_api_post_finalizer, (Env, Finalize, void*, void*))                                          \
  F(Status, napi_async_init, (Env, Value, Value, Handle*))                                                   \
  F(Status, napi_async_destroy, (Env, Handle))

using Isolate = void*;
using Slot = uintptr_t*;  // of a global handle
using WeakCallback = void (*)(const void* info);
using FreeCallback = void (*)(char* data, void* hint);

// What raw V8 and nan addons import, by short names. F(result, short name, mangled name, parameters)
#define MP_V8_API_LIST(F)                                                                                    \
  F(Slot, globalize_by_slot, _ZN2v812api_internal18GlobalizeReferenceEPNS_8internal7IsolateEPm,              \
    (Isolate, uintptr_t*))                                                                                   \
  F(Slot, globalize, _ZN2v812api_internal18GlobalizeReferenceEPNS_8internal7IsolateEm, (Isolate, uintptr_t)) \
  F(Slot, copy_global, _ZN2v812api_internal19CopyGlobalReferenceEPm, (Slot))                                 \
  F(void, dispose_global, _ZN2v812api_internal13DisposeGlobalEPm, (Slot))                                    \
  F(void, make_weak,                                                                                         \
    _ZN2v812api_internal8MakeWeakEPmPvPFvRKNS_16WeakCallbackInfoIvEEENS_16WeakCallbackTypeE,                 \
    (Slot, void*, WeakCallback, int))                                                                        \
  F(void, make_phantom, _ZN2v812api_internal8MakeWeakEPPm, (Slot*))                                          \
  F(void*, clear_weak, _ZN2v812api_internal9ClearWeakEPm, (Slot))                                            \
  F(int64_t, adjust_external, _ZN2v87Isolate37AdjustAmountOfExternalAllocatedMemoryEl, (Isolate, int64_t))   \
  F(void, external_increase, _ZN2v823ExternalMemoryAccounter8IncreaseEPNS_7IsolateEm,                        \
    (void*, Isolate, size_t))                                                                                \
  F(void, external_decrease, _ZN2v823ExternalMemoryAccounter8DecreaseEPNS_7IsolateEm,                        \
    (void*, Isolate, size_t))                                                                                \
  F(void, external_update, _ZN2v823ExternalMemoryAccounter6UpdateEPNS_7IsolateEl, (void*, Isolate, int64_t)) \
  F(Value, buffer_new, _ZN4node6Buffer3NewEPN2v87IsolateEPcmPFvS4_PvES5_,                                    \
    (Isolate, char*, size_t, FreeCallback, void*))                                                           \
  F(Value, external_new, _ZN2v88External3NewEPNS_7IsolateEPv, (Isolate, void*))                              \
  F(Value, external_new_tagged, _ZN2v88External3NewEPNS_7IsolateEPvt, (Isolate, void*, uint16_t))

#define MP_WEAK extern "C" __attribute__((weak, visibility("default")))
#define MP_DECLARE(result, name, parameters) MP_WEAK result name parameters;
MP_NODE_API_LIST(MP_DECLARE)
#undef MP_DECLARE
#define MP_DECLARE(result, name, mangled, parameters) MP_WEAK result mangled parameters;
MP_V8_API_LIST(MP_DECLARE)
#undef MP_DECLARE

// What the shim itself asks.
// v8::Isolate::TryGetCurrent, v8::Value::IsObject, v8::Object::GetConstructorName
MP_WEAK int _ZNK2v85Value8IsObjectEv(const void* value);
MP_WEAK void* _ZN2v86Object18GetConstructorNameEv(void* object);
// v8::String::WriteUtf8 (until Node 24) and WriteUtf8V2 (from Node 24)
MP_WEAK int _ZNK2v86String9WriteUtf8EPNS_7IsolateEPciPii(const void* string, Isolate isolate, char* buffer,
                                                         int length, int* written, int options);
MP_WEAK size_t _ZNK2v86String11WriteUtf8V2EPNS_7IsolateEPcmiPm(const void* string, Isolate isolate,
                                                               char* buffer, size_t capacity, int flags,
                                                               size_t* read);
// v8::HandleScope: inlined away in some versions
MP_WEAK void _ZN2v811HandleScopeC1EPNS_7IsolateE(void* scope, Isolate isolate);
MP_WEAK void _ZN2v811HandleScopeD1Ev(void* scope);
// node_napi_env__::DrainFinalizerQueue, can_call_into_js
MP_WEAK void _ZN15node_napi_env__19DrainFinalizerQueueEv(Env env);
MP_WEAK bool _ZNK15node_napi_env__16can_call_into_jsEv(Env env);
#undef MP_WEAK

}  // namespace mp::napi

#endif
