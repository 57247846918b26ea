// Where things lie in V8's objects and in those of Node-API: from the constants that V8 exports for
// debuggers (v8dbg_*), and from looking at objects of our own whose contents we know. Nothing is assumed
// of a version; what does not look as expected makes load() fail.
#ifndef MEMPROF_AGENT_LAYOUT_H
#define MEMPROF_AGENT_LAYOUT_H

#include <node_api.h>
#include <stddef.h>
#include <stdint.h>

namespace memprof {

// Byte offsets from an object's first word.
struct Layout {
  uint32_t mapInstanceType, mapSizeWords, mapPropertiesStart, mapPrototype;
  uint32_t bufferStore, bufferLength;  // JSArrayBuffer
  uint32_t viewBuffer;                 // JSTypedArray, JSDataView: their ArrayBuffer
  uint32_t externalValue;              // JSExternalObject: the pointer
  uint32_t wrapperData;                // v8impl::ExternalWrapper, which an external of Node-API points to
  uint32_t arrayLengthShift;           // of a FixedArray's second word
  uint32_t typeArrayBuffer, typeTypedArray, typeDataView, typeExternal, typeWasmMemory, typePropertyCell,
      typeCell, typePropertyArray, firstContextType, lastContextType;
  // Instance types that are laid out as a FixedArray: map, length, tagged words.
  uint32_t arrayTypes[16];
  int arrayTypeCount;
  // v8impl::Reference, which a wrapped object points to, known by its vtable: where it keeps the pointer.
  struct Reference {
    uintptr_t vtable;
    uint32_t data;
  } references[8];
  int referenceCount;

  // samples: a Map, a Set, a WeakMap, an object in dictionary mode, the array [1, 2, 3, 4, 5, 6, 7],
  // globalThis (and Buffer.prototype, for agent.cc). Must run before the program could have changed anything.
  bool load(napi_env env, napi_value samples);

  bool is_array(uint32_t type) const {
    if (type >= firstContextType && type <= lastContextType) return true;
    for (int i = 0; i < arrayTypeCount; i++) {
      if (arrayTypes[i] == type) return true;
    }
    return false;
  }

 private:
  bool load_constants();
  bool learn_arrays(napi_env env, napi_value samples);
  bool learn_views(napi_env env);
  bool learn_externals(napi_env env);
  bool learn_references(napi_env env);
  bool learn_reference(napi_env env, bool withFinalizer, bool withReference);
  bool add_array_type(uintptr_t word);
};

// V8's tagged words.
inline bool is_heap_object(uintptr_t word) { return (word & 3) == 1; }
inline uintptr_t untag(uintptr_t word) { return word & ~uintptr_t{3}; }
inline uintptr_t word_at(uintptr_t object, size_t offset) {
  return *reinterpret_cast<const uintptr_t*>(object + offset);
}
inline uintptr_t map_of(uintptr_t object) { return untag(word_at(object, 0)); }
inline uint32_t type_of_map(const Layout& layout, uintptr_t map) {
  return *reinterpret_cast<const uint16_t*>(map + layout.mapInstanceType);
}
inline uint32_t size_words_of_map(const Layout& layout, uintptr_t map) {
  return *reinterpret_cast<const uint8_t*>(map + layout.mapSizeWords);
}
inline size_t array_length(const Layout& layout, uintptr_t array) {
  return static_cast<uint32_t>(word_at(array, 8) >> layout.arrayLengthShift);
}
// A PropertyArray's second word holds its owner's hash as well.
inline size_t property_array_length(uintptr_t array) { return word_at(array, 8) >> 32 & 0x3ff; }

}  // namespace memprof

#endif
