#include "environments.h"

#include "../base.h"
#include "../hooks/record.h"
#include "../ring/thread.h"
#include "../wire.h"
#include "exports.h"
#include "node.h"
#include "resources.h"

namespace mp::napi {
namespace {

constexpr size_t kMaxEnvironments = 4096;
constexpr size_t kFirstScopes = 64;
constexpr size_t kMaxScopes = 1u << 16;

Environment* g_environments = nullptr;
std::atomic<uint32_t> g_count{0};
uint16_t g_lastNumber = 0;
SpinLock g_lock;
std::atomic<bool> g_teardown{false};

uint32_t this_thread() { return thread::t_local.indexPlusOne; }

Environment* lookup(const void* address) {
  uint32_t count = g_count.load(std::memory_order_acquire);
  for (uint32_t i = 0; i < count; ++i) {
    if (g_environments[i].address == address) return &g_environments[i];
  }
  return nullptr;
}

template <typename Work>
void each_of_this_thread(Work work) {
  uint32_t count = g_count.load(std::memory_order_acquire);
  for (uint32_t i = 0; i < count; ++i) {
    Environment& each = g_environments[i];
    if (each.isNodeApi && each.thread != 0 && each.thread == this_thread()) work(each);
  }
}

bool grow(Environment* env) {
  size_t capacity = env->scopeCapacity == 0 ? kFirstScopes : env->scopeCapacity * 2;
  if (capacity > kMaxScopes) return false;
  auto* grown = static_cast<OpenScope*>(map_pages(capacity * sizeof(OpenScope)));
  if (grown == nullptr) return false;
  if (env->scopeCount != 0) memcpy(grown, env->scopes, env->scopeCount * sizeof(OpenScope));
  unmap_pages(env->scopes, env->scopeCapacity * sizeof(OpenScope));
  env->scopes = grown;
  env->scopeCapacity = capacity;
  return true;
}

}  // namespace

Environment* environment_of(const void* address, bool isNodeApi) {
  Environment* known = lookup(address);
  if (known != nullptr && (!isNodeApi || known->thread == this_thread())) return known;
  Locked lock(g_lock);
  known = lookup(address);
  if (known == nullptr) {
    if (g_environments == nullptr)
      g_environments = static_cast<Environment*>(map_pages(sizeof(Environment) * kMaxEnvironments));
    uint32_t count = g_count.load(std::memory_order_relaxed);
    if (g_environments == nullptr || count == kMaxEnvironments || g_lastNumber == UINT16_MAX) return nullptr;
    known = &g_environments[count];
    known->address = address;
    known->isNodeApi = isNodeApi;
    known->number = ++g_lastNumber;
    known->thread = this_thread();
    g_count.store(count + 1, std::memory_order_release);
  } else if (isNodeApi && known->thread != this_thread() && g_lastNumber != UINT16_MAX) {
    // The environment of a Worker that ended was at this address.
    known->thread = this_thread();
    known->number = ++g_lastNumber;
    known->scopeCount = 0;
  }
  return known;
}

uint16_t number_of(const void* address, bool isNodeApi) {
  Environment* env = environment_of(address, isNodeApi);
  return env == nullptr ? 0 : env->number;
}

void scope_opened(const void* address, const void* handle, unwind::Entry entry) {
  Environment* env = environment_of(address, true);
  if (env == nullptr || (env->scopeCount == env->scopeCapacity && !grow(env))) return;
  uint32_t stack = 0;
  record::current_stack(entry, &stack);
  env->scopes[env->scopeCount++] = OpenScope{handle, stack, 0};
}

void scope_closed(const void* address, const void* handle) {
  Environment* env = environment_of(address, true);
  if (env == nullptr) return;
  // Nearly always the last one.
  for (size_t i = env->scopeCount; i-- > 0;) {
    if (env->scopes[i].handle != handle) continue;
    write_end(env->scopes[i].id, MP_RESOURCE_HANDLE_SCOPE, env->number, MP_RESOURCE_END_EXPLICIT);
    for (size_t k = i + 1; k < env->scopeCount; ++k) env->scopes[k - 1] = env->scopes[k];
    --env->scopeCount;
    return;
  }
}

void announce_scopes() {
  each_of_this_thread([](Environment& env) {
    for (size_t i = 0; i < env.scopeCount; ++i) {
      OpenScope& scope = env.scopes[i];
      if (scope.id != 0) continue;
      Facts facts;
      facts.kind = MP_RESOURCE_HANDLE_SCOPE;
      facts.environment = env.number;
      facts.handle = scope.handle;
      scope.id = write_new_at(facts, scope.stack);
    }
  });
}

void note_teardown() {
  announce_scopes();
  g_teardown.store(true, std::memory_order_relaxed);
}

bool is_teardown() { return g_teardown.load(std::memory_order_relaxed); }

bool is_teardown_of(void* env) {
  if (is_teardown()) return true;
  return env != nullptr && &_ZNK15node_napi_env__16can_call_into_jsEv != nullptr &&
         !_ZNK15node_napi_env__16can_call_into_jsEv(env);
}

void environments_after_fork_child() { g_lock.reset(); }

}  // namespace mp::napi

MP_EXPORT uint32_t memprof_drain_finalizers(void) {
  using namespace mp::napi;
  uint32_t waiting = 0;
  announce_scopes();
  each_of_this_thread([&waiting](Environment& env) {
    if (&_ZN15node_napi_env__19DrainFinalizerQueueEv == nullptr) {
      ++waiting;
    } else {
      _ZN15node_napi_env__19DrainFinalizerQueueEv(const_cast<void*>(env.address));
    }
  });
  return waiting;
}

MP_EXPORT size_t memprof_resource_hints(uint64_t* pairs, size_t capacity) {
  return mp::napi::hints(pairs, capacity);
}
