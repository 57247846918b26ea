// What the agent calls of V8's and Node's C++ beside Node-API, found by dlsym: it is built once, with the
// headers of one Node, and runs in all from 20 to 26. Checked against the headers and the exported
// symbols of Node 20.20, 22.23, 24.21 and 26.10: same names, same meaning.
#ifndef MEMPROF_AGENT_V8_API_H
#define MEMPROF_AGENT_V8_API_H

#include <stddef.h>
#include <stdint.h>

namespace memprof {

// v8::Local<T>, v8::Global<T>: one word, the address of a slot that holds the tagged pointer.
struct Local {
  uintptr_t* slot;
};

// v8::QueryObjectPredicate. V8 calls filter for each live object that is not a proxy and not a
// v8::External; nothing may be allocated in V8's heap in it, so objects do not move.
class Predicate {
 public:
  virtual ~Predicate() = default;
  virtual bool filter(Local object) = 0;
};

// std::vector<v8::Global<v8::Object>> of libstdc++.
struct Globals {
  uintptr_t** begin = nullptr;
  uintptr_t** end = nullptr;
  uintptr_t** capacity = nullptr;
};

// v8::OutputStream.
class OutputStream {
 public:
  virtual ~OutputStream() = default;
  virtual void end_of_stream() = 0;
  virtual int chunk_size() = 0;
  virtual int write(char* bytes, int count) = 0;  // 0: go on, 1: abort
  virtual int write_stats(void* updates, int count) = 0;
};

// v8::HeapProfiler::HeapSnapshotOptions; Node 20 has no stackState and does not look at it.
struct SnapshotOptions {
  void* control = nullptr;
  void* resolver = nullptr;
  uint32_t mode = 0;
  uint32_t numerics = 0;
  uint64_t stackState = 0;  // may contain heap pointers
};

// v8::HeapStatistics: 14 or 15 words.
struct HeapStatistics {
  size_t totalBytes, executableBytes, physicalBytes, availableBytes, usedBytes, limitBytes, mallocedBytes,
      externalBytes, peakMallocedBytes;
  bool doesZapGarbage;
  size_t contextCount, detachedContextCount, handleBytes, usedHandleBytes, rest[18];
};

// v8::HeapSpaceStatistics: 5 words.
struct SpaceStatistics {
  const char* name;
  size_t committedBytes, usedBytes, availableBytes, physicalBytes, rest[11];
};

using GcCallback = void (*)(void* isolate, int kind, int flags, void* data);

struct V8Api {
  void* (*currentIsolate)();
  void (*lowMemoryNotification)(void* isolate);
  void (*heapStatistics)(void* isolate, HeapStatistics*);
  // These three may be missing: then their figures are.
  size_t (*spaceCount)(void* isolate);
  bool (*spaceStatistics)(void* isolate, SpaceStatistics*, size_t index);
  int64_t (*adjustExternalMemory)(void* isolate, int64_t change);  // what V8 was told of in all
  Local (*currentContext)(void* isolate);
  void* (*heapProfiler)(void* isolate);
  void (*queryObjects)(void* profiler, Local context, Predicate*, Globals*);
  uint32_t (*objectId)(void* profiler, Local value);
  const void* (*takeSnapshot)(void* profiler, const SnapshotOptions&);
  void (*serializeSnapshot)(const void* snapshot, OutputStream*, int format);
  void (*deleteSnapshot)(const void* snapshot);
  void (*disposeGlobal)(uintptr_t* slot);
  Local (*constructorName)(uintptr_t* slot);
  int (*internalFieldCount)(const uintptr_t* slot);
  bool (*isSharedArrayBuffer)(const uintptr_t* slot);
  Local (*wasmBuffer)(uintptr_t* slot);
  void (*disallowJavascript)(void* scope, void* isolate, int onFailure);
  void (*allowJavascript)(void* scope);
  void (*tryCatch)(void* scope, void* isolate);
  void (*endTryCatch)(void* scope);
  Local (*currentStack)(void* isolate, int frames, int options);
  int (*stackFrameCount)(const uintptr_t* slot);
  // Of all kinds of collections.
  void (*addPrologue)(void* isolate, GcCallback, void* data, int kinds);
  void (*addEpilogue)(void* isolate, GcCallback, void* data, int kinds);
  void (*removePrologue)(void* isolate, GcCallback, void* data);
  void (*removeEpilogue)(void* isolate, GcCallback, void* data);
  void* (*currentEnvironment)(Local context);
  void (*requestInterrupt)(void* environment, void (*callback)(void*), void* data);

  // False: this process's V8 lacks one of those that must be there.
  bool load();
};

}  // namespace memprof

#endif
