#include "own_memory.h"

namespace mp::own_memory {
namespace {

// Two a thread that runs, a few for each table. Pages that are never used cost nothing.
constexpr size_t kPlaces = 16384;

struct Place {
  std::atomic<uintptr_t> low;
  std::atomic<size_t> bytes;
};

Place g_places[kPlaces];
std::atomic<size_t> g_used{0};  // places below it may be taken

bool take(Place& place, uintptr_t low, size_t bytes) {
  uintptr_t none = 0;
  if (!place.low.compare_exchange_strong(none, low, std::memory_order_acq_rel)) return false;
  place.bytes.store(bytes, std::memory_order_release);
  return true;
}

}  // namespace

void note(const void* address, size_t bytes) {
  auto low = reinterpret_cast<uintptr_t>(address);
  size_t used = g_used.load(std::memory_order_acquire);
  for (size_t i = 0; i < used; ++i) {
    if (g_places[i].low.load(std::memory_order_relaxed) == 0 && take(g_places[i], low, bytes)) return;
  }
  for (size_t i = used; i < kPlaces; ++i) {
    if (!take(g_places[i], low, bytes)) continue;
    size_t limit = g_used.load(std::memory_order_relaxed);
    while (limit < i + 1 && !g_used.compare_exchange_weak(limit, i + 1, std::memory_order_acq_rel)) {}
    return;
  }
  // No place left: then it counts as the program's, and may hold blocks that nobody else holds.
}

void forget(const void* address) {
  auto low = reinterpret_cast<uintptr_t>(address);
  size_t used = g_used.load(std::memory_order_acquire);
  for (size_t i = 0; i < used; ++i) {
    if (g_places[i].low.load(std::memory_order_relaxed) != low) continue;
    g_places[i].bytes.store(0, std::memory_order_relaxed);
    g_places[i].low.store(0, std::memory_order_release);
    return;
  }
}

size_t list(Piece* pieces, size_t capacity) {
  size_t count = 0;
  size_t used = g_used.load(std::memory_order_acquire);
  for (size_t i = 0; i < used; ++i) {
    uintptr_t low = g_places[i].low.load(std::memory_order_acquire);
    size_t bytes = g_places[i].bytes.load(std::memory_order_acquire);
    if (low == 0 || bytes == 0) continue;
    if (count < capacity) pieces[count] = Piece{low, low + bytes};
    ++count;
  }
  return count;
}

}  // namespace mp::own_memory
