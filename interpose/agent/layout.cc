#include "layout.h"

#include <dlfcn.h>

#include "memory.h"

namespace memprof {
namespace {

constexpr size_t kNativeWords = 16;  // owners.cc reads as many

bool constant(const char* name, uint32_t* value) {
  const uint32_t* found = static_cast<const uint32_t*>(dlsym(RTLD_DEFAULT, name));
  if (found == nullptr) return false;
  *value = *found;
  return true;
}

// napi_value is a v8::Local.
uintptr_t object_of(napi_value value) { return untag(*reinterpret_cast<const uintptr_t*>(value)); }
uintptr_t tagged_of(napi_value value) { return *reinterpret_cast<const uintptr_t*>(value); }

napi_value element(napi_env env, napi_value array, uint32_t index) {
  napi_value value = nullptr;
  napi_get_element(env, array, index, &value);
  return value;
}

// Of native memory that Node just allocated: whether it can all be read is unknown.
size_t copy_words(uintptr_t address, uintptr_t* words, ReadableRanges& ranges) {
  if ((address & 7) != 0 || address < 65536) return 0;
  for (size_t count = kNativeWords; count > 1; count /= 2) {
    if (copy_memory(address, words, count * 8, ranges)) return count;
  }
  return 0;
}

// In bytes; 0: not there, or in the first word, which is none of ours anywhere.
uint32_t offset_of(const uintptr_t* words, size_t count, uintptr_t wanted) {
  for (size_t i = 1; i < count; i++) {
    if (words[i] == wanted) return static_cast<uint32_t>(i * 8);
  }
  return 0;
}

}  // namespace

bool Layout::load(napi_env env, napi_value samples) {
  return load_constants() && learn_arrays(env, samples) && learn_views(env) && learn_externals(env) &&
         learn_references(env);
}

bool Layout::load_constants() {
  uint32_t taggedSize, tag, fixedArray;
  struct Wanted {
    uint32_t* target;
    const char* name;
  };
  const Wanted all[] = {
      {&taggedSize, "v8dbg_TaggedSize"},
      {&tag, "v8dbg_HeapObjectTag"},
      {&mapInstanceType, "v8dbg_class_Map__instance_type__uint16_t"},
      {&mapSizeWords, "v8dbg_class_Map__instance_size_in_words__char"},
      {&mapPropertiesStart, "v8dbg_class_Map__inobject_properties_start_or_constructor_function_index__char"},
      {&mapPrototype, "v8dbg_class_Map__prototype__Object"},
      {&bufferStore, "v8dbg_class_JSArrayBuffer__backing_store__uintptr_t"},
      {&bufferLength, "v8dbg_class_JSArrayBuffer__byte_length__size_t"},
      {&typeArrayBuffer, "v8dbg_type_JSArrayBuffer__JS_ARRAY_BUFFER_TYPE"},
      {&typeTypedArray, "v8dbg_type_JSTypedArray__JS_TYPED_ARRAY_TYPE"},
      {&typeDataView, "v8dbg_type_JSDataView__JS_DATA_VIEW_TYPE"},
      {&typeExternal, "v8dbg_type_JSExternalObject__JS_EXTERNAL_OBJECT_TYPE"},
      {&typeWasmMemory, "v8dbg_type_WasmMemoryObject__WASM_MEMORY_OBJECT_TYPE"},
      {&typePropertyCell, "v8dbg_type_PropertyCell__PROPERTY_CELL_TYPE"},
      {&typeCell, "v8dbg_type_Cell__CELL_TYPE"},
      {&typePropertyArray, "v8dbg_type_PropertyArray__PROPERTY_ARRAY_TYPE"},
      {&fixedArray, "v8dbg_type_FixedArray__FIXED_ARRAY_TYPE"},
      {&firstContextType, "v8dbg_FirstContextType"},
      {&lastContextType, "v8dbg_LastContextType"},
  };
  for (const Wanted& wanted : all) {
    if (!constant(wanted.name, wanted.target)) return false;
  }
  arrayTypes[0] = fixedArray;
  arrayTypeCount = 1;
  return taggedSize == 8 && tag == 1;
}

bool Layout::add_array_type(uintptr_t word) {
  if (!is_heap_object(word)) return false;
  uint32_t type = type_of_map(*this, map_of(untag(word)));
  if (is_array(type)) return true;
  if (arrayTypeCount == 16) return false;
  arrayTypes[arrayTypeCount++] = type;
  return true;
}

bool Layout::learn_arrays(napi_env env, napi_value samples) {
  enum { kMap, kSet, kWeakMap, kDictionary, kSeven, kGlobal };
  // A JSObject is: map, properties, elements, own fields. A collection's field is its table.
  for (uint32_t i : {kMap, kSet, kWeakMap}) {
    if (!add_array_type(word_at(object_of(element(env, samples, i)), 24))) return false;
  }
  if (!add_array_type(word_at(object_of(element(env, samples, kDictionary)), 8))) return false;
  // Behind globalThis stands a proxy, whose prototype is the global object itself.
  uintptr_t globalMap = map_of(object_of(element(env, samples, kGlobal)));
  uintptr_t global = word_at(globalMap, mapPrototype);
  if (!is_heap_object(global) || !add_array_type(word_at(untag(global), 8))) return false;
  uintptr_t elements = word_at(object_of(element(env, samples, kSeven)), 16);
  if (!is_heap_object(elements)) return false;
  uintptr_t length = word_at(untag(elements), 8);
  arrayLengthShift = length >> 32 == 7 ? 32 : 0;
  return array_length(*this, untag(elements)) == 7;
}

bool Layout::learn_views(napi_env env) {
  void* data;
  napi_value buffer, view;
  // Longer than what V8 would keep inside its heap.
  if (napi_create_arraybuffer(env, 1024, &data, &buffer) != napi_ok ||
      napi_create_typedarray(env, napi_uint8_array, 1024, buffer, 0, &view) != napi_ok) {
    return false;
  }
  uintptr_t object = object_of(view);
  uint32_t words = size_words_of_map(*this, map_of(object));
  viewBuffer = offset_of(reinterpret_cast<const uintptr_t*>(object), words, tagged_of(buffer));
  return viewBuffer != 0 && type_of_map(*this, map_of(object)) == typeTypedArray &&
         type_of_map(*this, map_of(object_of(buffer))) == typeArrayBuffer &&
         word_at(object_of(buffer), bufferStore) == reinterpret_cast<uintptr_t>(data) &&
         word_at(object_of(buffer), bufferLength) == 1024;
}

bool Layout::learn_externals(napi_env env) {
  uint64_t known = 0;
  napi_value external;
  if (napi_create_external(env, &known, nullptr, nullptr, &external) != napi_ok) return false;
  uintptr_t object = object_of(external);
  if (type_of_map(*this, map_of(object)) != typeExternal) return false;
  ReadableRanges ranges;
  if (!ranges.load()) return false;
  uint32_t words = size_words_of_map(*this, map_of(object));
  for (uint32_t i = 3; i < words; i++) {
    uintptr_t native[kNativeWords];
    size_t count = copy_words(word_at(object, i * 8), native, ranges);
    uintptr_t back;
    uint32_t data = offset_of(native, count, reinterpret_cast<uintptr_t>(&known));
    if (data == 0 || !copy_memory(native[0], &back, 8, ranges) || back != tagged_of(external)) continue;
    externalValue = i * 8;
    wrapperData = data;
    return true;
  }
  return false;
}

bool Layout::learn_references(napi_env env) {
  referenceCount = 0;
  return learn_reference(env, false, false) && learn_reference(env, true, false) &&
         learn_reference(env, true, true);
}

bool Layout::learn_reference(napi_env env, bool withFinalizer, bool withReference) {
  uint64_t known = 0;
  napi_value object;
  napi_ref reference = nullptr;
  napi_finalize finalizer = withFinalizer ? [](napi_env, void*, void*) {} : napi_finalize{nullptr};
  if (napi_create_object(env, &object) != napi_ok ||
      napi_wrap(env, object, &known, finalizer, nullptr, withReference ? &reference : nullptr) != napi_ok) {
    return false;
  }
  bool isFound = false;
  uintptr_t low, high;
  ReadableRanges ranges;
  if (image_range(dlsym(RTLD_DEFAULT, "v8dbg_TaggedSize"), &low, &high) && ranges.load()) {
    // Its own fields hold the external: a literal's object has room for a few.
    uintptr_t at = object_of(object);
    uint32_t words = size_words_of_map(*this, map_of(at));
    for (uint32_t i = 3; i < words && !isFound; i++) {
      uintptr_t word = word_at(at, i * 8);
      if (!is_heap_object(word) || type_of_map(*this, map_of(untag(word))) != typeExternal) continue;
      uintptr_t native[kNativeWords];
      size_t count = copy_words(word_at(untag(word), externalValue), native, ranges);
      uint32_t offset = offset_of(native, count, reinterpret_cast<uintptr_t>(&known));
      if (offset == 0 || native[0] < low || native[0] >= high) continue;
      references[referenceCount++] = {native[0], offset};
      isFound = true;
    }
  }
  void* data;
  napi_remove_wrap(env, object, &data);
  if (reference != nullptr) napi_delete_reference(env, reference);
  return isFound;
}

}  // namespace memprof
