#include "collections.h"

#include <atomic>

#include "../wire.h"
#include "memory.h"

namespace memprof {
namespace {

constexpr int kKinds = MP_GC_SCAVENGE | MP_GC_MINOR_MARK_SWEEP | MP_GC_MARK_COMPACT;
constexpr unsigned kKindShift = 56;

std::atomic<MarkFunction> g_mark{nullptr};
std::atomic<bool> g_areOver{false};
// When the isolate's collection began; V8 collects on its thread, one kind at a time. No thread_local: its first use on a
// thread allocates.
constexpr uint32_t kIsolates = 1024;
uint64_t g_begunNs[kIsolates];
std::atomic<uint32_t> g_isolateCount{0};

void on_begin(void*, int, int, void* begunNs) { *static_cast<uint64_t*>(begunNs) = monotonic_ns(); }

void on_end(void*, int kind, int, void* place) {
  auto* begunNs = static_cast<uint64_t*>(place);
  uint64_t pauseNs = *begunNs == 0 ? 0 : monotonic_ns() - *begunNs;
  *begunNs = 0;
  if (pauseNs == 0 || g_areOver.load(std::memory_order_relaxed)) return;
  MarkFunction mark = g_mark.load(std::memory_order_relaxed);
  mark(MP_MARK_GC, pauseNs | static_cast<uint64_t>(kind) << kKindShift, nullptr);
}

}  // namespace

void note_collections(const V8Api& v8, void* isolate, MarkFunction mark) {
  uint32_t place = g_isolateCount.fetch_add(1);
  if (place >= kIsolates) return;
  g_mark.store(mark, std::memory_order_relaxed);
  v8.addPrologue(isolate, on_begin, &g_begunNs[place], kKinds);
  v8.addEpilogue(isolate, on_end, &g_begunNs[place], kKinds);
}

void end_collections() { g_areOver.store(true); }

}  // namespace memprof
