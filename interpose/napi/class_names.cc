#include "class_names.h"

#include "../base.h"
#include "../jit/v8_api.h"
#include "../ring/meta.h"
#include "node.h"

namespace mp::napi {
namespace {

constexpr size_t kMaxBytes = 128;
constexpr size_t kSlots = 4096;  // half of them may be used

struct Known {
  std::atomic<uint64_t> hash;
  std::atomic<uint32_t> text;
};
Known g_known[kSlots];
std::atomic<uint32_t> g_knownCount{0};

uint64_t hash_of(const char* text, size_t bytes) {
  uint64_t hash = UINT64_C(0xcbf29ce484222325);
  for (size_t i = 0; i < bytes; ++i)
    hash = (hash ^ static_cast<unsigned char>(text[i])) * UINT64_C(0x100000001b3);
  hash ^= hash >> 29;
  return hash == 0 ? 1 : hash;
}

// A name may be told twice if two threads meet it first together.
uint32_t intern(const char* text, size_t bytes) {
  uint64_t hash = hash_of(text, bytes);
  size_t at = hash & (kSlots - 1);
  for (; g_known[at].hash.load(std::memory_order_acquire) != 0; at = (at + 1) & (kSlots - 1)) {
    if (g_known[at].hash.load(std::memory_order_relaxed) == hash)
      return g_known[at].text.load(std::memory_order_acquire);
  }
  if (g_knownCount.load(std::memory_order_relaxed) >= kSlots / 2) return 0;
  uint32_t id = meta::text(text, bytes);
  for (;; at = (at + 1) & (kSlots - 1)) {
    uint64_t free = 0;
    if (g_known[at].text.load(std::memory_order_relaxed) != 0) continue;
    // The text first: whoever finds the hash finds the text.
    uint32_t none = 0;
    if (!g_known[at].text.compare_exchange_strong(none, id)) continue;
    g_known[at].hash.compare_exchange_strong(free, hash);
    g_knownCount.fetch_add(1);
    return id;
  }
}

bool is_available() {
  return &_ZN2v86Object18GetConstructorNameEv != nullptr && &_ZNK2v85Value8IsObjectEv != nullptr &&
         &_ZN2v87Isolate13TryGetCurrentEv != nullptr;
}

// Room for a v8::HandleScope: three words in all versions so far.
struct Scope {
  void* words[8];
};

size_t write_utf8(const void* string, Isolate isolate, char* buffer) {
  if (&_ZNK2v86String11WriteUtf8V2EPNS_7IsolateEPcmiPm != nullptr) {
    constexpr int kReplaceInvalid = 2;
    return _ZNK2v86String11WriteUtf8V2EPNS_7IsolateEPcmiPm(string, isolate, buffer, kMaxBytes,
                                                           kReplaceInvalid, nullptr);
  }
  if (&_ZNK2v86String9WriteUtf8EPNS_7IsolateEPciPii == nullptr) return 0;
  constexpr int kNoNullTerminationReplaceInvalid = 2 | 8;
  int written = _ZNK2v86String9WriteUtf8EPNS_7IsolateEPciPii(string, isolate, buffer, kMaxBytes, nullptr,
                                                             kNoNullTerminationReplaceInvalid);
  return written < 0 ? 0 : static_cast<size_t>(written);
}

uint32_t name_of(void* object, Isolate isolate) {
  void* name = _ZN2v86Object18GetConstructorNameEv(object);
  if (name == nullptr) return 0;
  char buffer[kMaxBytes];
  size_t bytes = write_utf8(name, isolate, buffer);
  return bytes == 0 ? 0 : intern(buffer, bytes);
}

}  // namespace

uint32_t class_of(void* object, bool isInScope) {
  if (object == nullptr || !is_available() || !_ZNK2v85Value8IsObjectEv(object)) return 0;
  Isolate isolate = _ZN2v87Isolate13TryGetCurrentEv();
  if (isolate == nullptr) return 0;
  if (&_ZN2v811HandleScopeC1EPNS_7IsolateE == nullptr || &_ZN2v811HandleScopeD1Ev == nullptr)
    return isInScope ? name_of(object, isolate) : 0;
  Scope scope;
  _ZN2v811HandleScopeC1EPNS_7IsolateE(&scope, isolate);
  uint32_t text = name_of(object, isolate);
  _ZN2v811HandleScopeD1Ev(&scope);
  return text;
}

// The child's reader has not been told any name.
void class_names_after_fork_child() {
  for (Known& known : g_known) {
    known.hash.store(0, std::memory_order_relaxed);
    known.text.store(0, std::memory_order_relaxed);
  }
  g_knownCount.store(0, std::memory_order_relaxed);
}

}  // namespace mp::napi
