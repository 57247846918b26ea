#include "v8_api.h"

#include <dlfcn.h>

namespace memprof {
namespace {

struct Entry {
  void* target;
  const char* name;
};

template <typename F>
Entry entry(F* target, const char* name) {
  return {target, name};
}

}  // namespace

bool V8Api::load() {
  const Entry entries[] = {
      entry(&currentIsolate, "_ZN2v87Isolate13TryGetCurrentEv"),
      entry(&lowMemoryNotification, "_ZN2v87Isolate21LowMemoryNotificationEv"),
      entry(&heapStatistics, "_ZN2v87Isolate17GetHeapStatisticsEPNS_14HeapStatisticsE"),
      entry(&currentContext, "_ZN2v87Isolate17GetCurrentContextEv"),
      entry(&heapProfiler, "_ZN2v87Isolate15GetHeapProfilerEv"),
      entry(&queryObjects,
            "_ZN2v812HeapProfiler12QueryObjectsENS_5LocalINS_7ContextEEEPNS_"
            "20QueryObjectPredicateEPSt6vectorINS_6GlobalINS_6ObjectEEESaIS9_EE"),
      entry(&objectId, "_ZN2v812HeapProfiler11GetObjectIdENS_5LocalINS_5ValueEEE"),
      entry(&takeSnapshot, "_ZN2v812HeapProfiler16TakeHeapSnapshotERKNS0_19HeapSnapshotOptionsE"),
      entry(&serializeSnapshot,
            "_ZNK2v812HeapSnapshot9SerializeEPNS_12OutputStreamENS0_19SerializationFormatE"),
      entry(&deleteSnapshot, "_ZN2v812HeapSnapshot6DeleteEv"),
      entry(&disposeGlobal, "_ZN2v812api_internal13DisposeGlobalEPm"),
      entry(&constructorName, "_ZN2v86Object18GetConstructorNameEv"),
      entry(&internalFieldCount, "_ZNK2v86Object18InternalFieldCountEv"),
      entry(&isSharedArrayBuffer, "_ZNK2v85Value19IsSharedArrayBufferEv"),
      entry(&wasmBuffer, "_ZN2v816WasmMemoryObject6BufferEv"),
      entry(&disallowJavascript, "_ZN2v87Isolate32DisallowJavascriptExecutionScopeC1EPS0_NS1_9OnFailureE"),
      entry(&allowJavascript, "_ZN2v87Isolate32DisallowJavascriptExecutionScopeD1Ev"),
      entry(&tryCatch, "_ZN2v88TryCatchC1EPNS_7IsolateE"),
      entry(&endTryCatch, "_ZN2v88TryCatchD1Ev"),
      entry(&currentStack, "_ZN2v810StackTrace17CurrentStackTraceEPNS_7IsolateEiNS0_17StackTraceOptionsE"),
      entry(&stackFrameCount, "_ZNK2v810StackTrace13GetFrameCountEv"),
      entry(&addPrologue,
            "_ZN2v87Isolate21AddGCPrologueCallbackEPFvPS0_NS_6GCTypeENS_15GCCallbackFlagsEPvES4_S2_"),
      entry(&addEpilogue,
            "_ZN2v87Isolate21AddGCEpilogueCallbackEPFvPS0_NS_6GCTypeENS_15GCCallbackFlagsEPvES4_S2_"),
      entry(&removePrologue,
            "_ZN2v87Isolate24RemoveGCPrologueCallbackEPFvPS0_NS_6GCTypeENS_15GCCallbackFlagsEPvES4_"),
      entry(&removeEpilogue,
            "_ZN2v87Isolate24RemoveGCEpilogueCallbackEPFvPS0_NS_6GCTypeENS_15GCCallbackFlagsEPvES4_"),
      entry(&currentEnvironment, "_ZN4node21GetCurrentEnvironmentEN2v85LocalINS0_7ContextEEE"),
      entry(&requestInterrupt, "_ZN4node16RequestInterruptEPNS_11EnvironmentEPFvPvES2_"),
  };
  for (const Entry& each : entries) {
    void* found = dlsym(RTLD_DEFAULT, each.name);
    if (found == nullptr) return false;
    *static_cast<void**>(each.target) = found;
  }
  const Entry figures[] = {
      entry(&spaceCount, "_ZN2v87Isolate18NumberOfHeapSpacesEv"),
      entry(&spaceStatistics, "_ZN2v87Isolate22GetHeapSpaceStatisticsEPNS_19HeapSpaceStatisticsEm"),
      entry(&adjustExternalMemory, "_ZN2v87Isolate37AdjustAmountOfExternalAllocatedMemoryEl"),
  };
  for (const Entry& each : figures) *static_cast<void**>(each.target) = dlsym(RTLD_DEFAULT, each.name);
  return true;
}

}  // namespace memprof
