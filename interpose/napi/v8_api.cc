// What raw V8 and nan addons import of V8 and Node. See calls.h.
#include <errno.h>

#include "../base.h"
#include "../hooks/record.h"
#include "../jit/v8_api.h"
#include "../ring/process.h"
#include "calls.h"
#include "class_names.h"
#include "environments.h"
#include "finalizers.h"
#include "node.h"
#include "resources.h"

namespace mp::napi {
namespace {

Facts facts_of(uint8_t kind, Isolate isolate) {
  Facts facts;
  facts.kind = kind;
  facts.environment = isolate == nullptr ? 0 : number_of(isolate, false);
  return facts;
}

Isolate current_isolate() {
  return &_ZN2v87Isolate13TryGetCurrentEv == nullptr ? nullptr : _ZN2v87Isolate13TryGetCurrentEv();
}

// ---- persistents

Slot made(Slot slot, Isolate isolate, unwind::Entry entry) {
  if (slot == nullptr || !recording()) return slot;
  int saved = errno;
  Facts facts = facts_of(MP_RESOURCE_PERSISTENT, isolate);
  facts.handle = slot;
  facts.value = 1;
  facts.text = class_of(slot, false);
  add(facts, write_new(facts, entry), slot, isolate);
  errno = saved;
  return slot;
}

Slot globalize_by_slot(Isolate isolate, uintptr_t* value) {
  return made(_ZN2v812api_internal18GlobalizeReferenceEPNS_8internal7IsolateEPm(isolate, value), isolate,
              MP_CALLER);
}

Slot globalize(Isolate isolate, uintptr_t value) {
  return made(_ZN2v812api_internal18GlobalizeReferenceEPNS_8internal7IsolateEm(isolate, value), isolate,
              MP_CALLER);
}

Slot copy_global(Slot slot) {
  return made(_ZN2v812api_internal19CopyGlobalReferenceEPm(slot), current_isolate(), MP_CALLER);
}

void dispose_global(Slot slot) {
  if (slot != nullptr && recording()) {
    int saved = errno;
    Resource copy;
    if (remove(MP_RESOURCE_PERSISTENT, slot, 0, &copy))
      write_end(copy.id, copy.kind, copy.environment, MP_RESOURCE_END_EXPLICIT);
    errno = saved;
  }
  _ZN2v812api_internal13DisposeGlobalEPm(slot);
}

// The parameter is, nearly always, the native object that goes with the JavaScript one.
void make_weak(Slot slot, void* data, WeakCallback callback, int type) {
  if (recording()) {
    int saved = errno;
    Resource copy;
    if (change(MP_RESOURCE_PERSISTENT, slot, &copy, [](int64_t) { return 0; })) {
      Facts facts;
      facts.kind = copy.kind;
      facts.environment = copy.environment;
      facts.data = data;
      facts.handle = slot;
      write_update(copy.id, facts);
    }
    errno = saved;
  }
  _ZN2v812api_internal8MakeWeakEPmPvPFvRKNS_16WeakCallbackInfoIvEEENS_16WeakCallbackTypeE(slot, data,
                                                                                          callback, type);
}

// V8 takes the slot back by itself when the object is collected: nobody has to release it any more.
void make_phantom(Slot* slot) {
  if (recording()) {
    int saved = errno;
    Resource copy;
    if (remove(MP_RESOURCE_PERSISTENT, *slot, 0, &copy))
      write_end(copy.id, copy.kind, copy.environment, MP_RESOURCE_END_EXPLICIT);
    errno = saved;
  }
  _ZN2v812api_internal8MakeWeakEPPm(slot);
}

void* clear_weak(Slot slot) {
  if (recording()) {
    int saved = errno;
    Resource copy;
    if (change(MP_RESOURCE_PERSISTENT, slot, &copy, [](int64_t) { return 1; }))
      write_change(copy.id, copy.kind, copy.environment, 1);
    errno = saved;
  }
  return _ZN2v812api_internal9ClearWeakEPm(slot);
}

// ---- external memory

void told(Isolate isolate, int64_t bytes, unwind::Entry entry) {
  if (!recording()) return;
  int saved = errno;
  external_memory_changed(isolate, false, bytes, entry);
  errno = saved;
}

int64_t adjust_external(Isolate isolate, int64_t bytes) {
  int64_t result = _ZN2v87Isolate37AdjustAmountOfExternalAllocatedMemoryEl(isolate, bytes);
  told(isolate, bytes, MP_CALLER);
  return result;
}

void external_increase(void* accounter, Isolate isolate, size_t bytes) {
  _ZN2v823ExternalMemoryAccounter8IncreaseEPNS_7IsolateEm(accounter, isolate, bytes);
  told(isolate, static_cast<int64_t>(bytes), MP_CALLER);
}

void external_decrease(void* accounter, Isolate isolate, size_t bytes) {
  _ZN2v823ExternalMemoryAccounter8DecreaseEPNS_7IsolateEm(accounter, isolate, bytes);
  told(isolate, -static_cast<int64_t>(bytes), MP_CALLER);
}

void external_update(void* accounter, Isolate isolate, int64_t bytes) {
  _ZN2v823ExternalMemoryAccounter6UpdateEPNS_7IsolateEl(accounter, isolate, bytes);
  told(isolate, bytes, MP_CALLER);
}

// ---- buffers and externals

Value buffer_new(Isolate isolate, char* data, size_t bytes, FreeCallback callback, void* hint) {
  auto real = _ZN4node6Buffer3NewEPN2v87IsolateEPcmPFvS4_PvES5_;
  if (!recording()) return real(isolate, data, bytes, callback, hint);
  Facts facts = facts_of(MP_RESOURCE_EXTERNAL_BUFFER, isolate);
  facts.data = data;
  facts.value = static_cast<int64_t>(bytes);
  Finalizer finalizer(facts.kind, isolate, facts.environment, data, reinterpret_cast<void*>(callback), hint);
  facts.isUnwatched = !finalizer.isOurs();
  Value made = finalizer.isOurs() ? real(isolate, data, bytes, free_buffer, finalizer.resource())
                                  : real(isolate, data, bytes, callback, hint);
  int saved = errno;
  if (made != nullptr) {
    finalizer.announce(facts, MP_CALLER);
  } else {
    finalizer.abandon();
  }
  errno = saved;
  return made;
}

Value made_external(Value external, Isolate isolate, void* data, unwind::Entry entry) {
  if (external == nullptr || !recording()) return external;
  int saved = errno;
  Facts facts = facts_of(MP_RESOURCE_EXTERNAL, isolate);
  facts.data = data;
  facts.isUnwatched = true;
  write_new(facts, entry);
  errno = saved;
  return external;
}

Value external_new(Isolate isolate, void* data) {
  return made_external(_ZN2v88External3NewEPNS_7IsolateEPv(isolate, data), isolate, data, MP_CALLER);
}

Value external_new_tagged(Isolate isolate, void* data, uint16_t tag) {
  return made_external(_ZN2v88External3NewEPNS_7IsolateEPvt(isolate, data, tag), isolate, data, MP_CALLER);
}

}  // namespace

const Call* v8_calls(size_t* count) {
#define MP_CALL(result, name, mangled, parameters) \
  Call{#mangled, Replacement{reinterpret_cast<uintptr_t>(&mangled), reinterpret_cast<uintptr_t>(&name)}},
  static const Call calls[] = {MP_V8_API_LIST(MP_CALL)};
#undef MP_CALL
  *count = sizeof calls / sizeof calls[0];
  return calls;
}

}  // namespace mp::napi
