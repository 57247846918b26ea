#include "resources.h"

#include "../hooks/record.h"
#include "../ring/process.h"
#include "environments.h"

namespace mp::napi {

namespace detail {
SpinLock g_lock;
}  // namespace detail
using detail::find_locked;
using detail::g_lock;

namespace {

constexpr size_t kPoolBytes = 1u << 20;
constexpr size_t kPerPool = kPoolBytes / sizeof(Resource);
constexpr size_t kMaxPools = 320;  // 4 million entries; further ones are recorded, but not followed
constexpr size_t kFirstBuckets = 1u << 10;

Resource* g_pools[kMaxPools];
size_t g_poolCount = 0;
size_t g_poolUsed = kPerPool;
Resource* g_free = nullptr;
Resource** g_buckets = nullptr;
size_t g_bucketCount = 0;
size_t g_linkedCount = 0;
std::atomic<uint64_t> g_nextId{1};

size_t bucket_of(uint8_t kind, uint64_t key, size_t count) {
  uint64_t mixed = (key ^ static_cast<uint64_t>(kind) << 56) * UINT64_C(0x9e3779b97f4a7c15);
  return static_cast<size_t>(mixed >> 20) & (count - 1);
}

void put_first(Resource** head, Resource* resource) {
  resource->next = *head;
  resource->pointer = head;
  if (resource->next != nullptr) resource->next->pointer = &resource->next;
  *head = resource;
}

bool grow_buckets() {
  size_t count = g_bucketCount == 0 ? kFirstBuckets : g_bucketCount * 2;
  auto** grown = static_cast<Resource**>(map_pages(count * sizeof(Resource*)));
  if (grown == nullptr) return g_bucketCount != 0;
  for (size_t i = 0; i < g_bucketCount; ++i) {
    for (Resource* at = g_buckets[i]; at != nullptr;) {
      Resource* next = at->next;
      put_first(&grown[bucket_of(at->kind, at->key, count)], at);
      at = next;
    }
  }
  unmap_pages(g_buckets, g_bucketCount * sizeof(Resource*));
  g_buckets = grown;
  g_bucketCount = count;
  return true;
}

// A thousand wraps may have the same data: nothing may walk along all of them.
void unlink_locked(Resource* resource) {
  if (!resource->isLinked) return;
  *resource->pointer = resource->next;
  if (resource->next != nullptr) resource->next->pointer = resource->pointer;
  resource->isLinked = false;
  --g_linkedCount;
}

void free_locked(Resource* resource) {
  unlink_locked(resource);
  resource->state = State::kFree;
  resource->next = g_free;
  g_free = resource;
}

// Its finalizer might come all the same: then only what is known of it is given up.
void end_locked(Resource* resource, bool mayStillRun) {
  if (!mayStillRun) {
    free_locked(resource);
    return;
  }
  unlink_locked(resource);
  resource->state = State::kEnded;
}

Resource* take_locked() {
  Resource* resource = g_free;
  if (resource != nullptr) {
    g_free = resource->next;
  } else {
    if (g_poolUsed == kPerPool) {
      if (g_poolCount == kMaxPools) return nullptr;
      auto* pool = static_cast<Resource*>(map_pages(kPoolBytes));
      if (pool == nullptr) return nullptr;
      g_pools[g_poolCount++] = pool;
      g_poolUsed = 0;
    }
    resource = &g_pools[g_poolCount - 1][g_poolUsed++];
  }
  *resource = Resource{};
  resource->state = State::kOpen;
  return resource;
}

// Returns what it replaced, to be told outside the lock.
bool link_locked(Resource* resource, Resource* replaced) {
  if (g_linkedCount >= g_bucketCount && !grow_buckets()) return false;
  bool hasReplaced = false;
  // Wraps are found by their data, which several objects may share.
  if (Resource* known = find_locked(resource->kind, resource->key);
      known != nullptr &&
      (resource->kind != MP_RESOURCE_WRAP || (known->isUnwatched && resource->isUnwatched))) {
    *replaced = *known;
    hasReplaced = true;
    end_locked(known, known->callback != nullptr);
  }
  put_first(&g_buckets[bucket_of(resource->kind, resource->key, g_bucketCount)], resource);
  resource->isLinked = true;
  ++g_linkedCount;
  return hasReplaced;
}

void tell_replaced(const Resource& replaced) {
  write_end(replaced.id, replaced.kind, replaced.environment, MP_RESOURCE_END_TEARDOWN);
}

uint64_t first_word(uint8_t kind, uint8_t flags, uint16_t environment) {
  return kind | static_cast<uint64_t>(flags) << 8 | static_cast<uint64_t>(environment) << 16;
}

// MP_RESOURCE_NEW after its head; word 0 still without a stack.
struct NewWords {
  uint64_t word[6];
};
NewWords new_words(uint64_t id, const Facts& facts) {
  uint8_t flags = facts.isUnwatched ? MP_RESOURCE_UNWATCHED : 0;
  return NewWords{{first_word(facts.kind, flags, facts.environment), id,
                   reinterpret_cast<uint64_t>(facts.data), reinterpret_cast<uint64_t>(facts.handle),
                   static_cast<uint64_t>(facts.value), facts.text}};
}

// The first entry that satisfies the condition among those with this kind and key, after `from`.
template <typename Condition>
Resource* search_locked(Resource* from, uint8_t kind, uint64_t key, Condition condition) {
  for (Resource* at = from; at != nullptr; at = at->next) {
    if (at->kind == kind && at->key == key && condition(at)) return at;
  }
  return nullptr;
}

template <typename Condition>
Resource* search_locked(uint8_t kind, uint64_t key, Condition condition) {
  if (g_bucketCount == 0) return nullptr;
  return search_locked(g_buckets[bucket_of(kind, key, g_bucketCount)], kind, key, condition);
}

}  // namespace

Resource* detail::find_locked(uint8_t kind, uint64_t key) {
  return search_locked(kind, key, [](const Resource*) { return true; });
}

uint64_t write_new(const Facts& facts, unwind::Entry entry) {
  uint64_t id = g_nextId.fetch_add(1, std::memory_order_relaxed);
  NewWords words = new_words(id, facts);
  return record::with_stack(MP_RESOURCE_NEW, words.word, 6, entry) ? id : 0;
}

uint64_t write_new_at(const Facts& facts, uint32_t stack) {
  uint64_t id = g_nextId.fetch_add(1, std::memory_order_relaxed);
  NewWords words = new_words(id, facts);
  words.word[0] |= static_cast<uint64_t>(stack) << 32;
  record::plain(MP_RESOURCE_NEW, words.word, 6);
  return id;
}

void write_update(uint64_t id, const Facts& facts) {
  if (id == 0) return;
  NewWords words = new_words(id, facts);
  record::plain(MP_RESOURCE_NEW, words.word, 6);
}

void write_end(uint64_t id, uint8_t kind, uint16_t environment, uint8_t how) {
  if (id == 0) return;
  uint64_t words[2] = {first_word(kind, how, environment), id};
  record::plain(MP_RESOURCE_END, words, 2);
}

void write_change(uint64_t id, uint8_t kind, uint16_t environment, int64_t value) {
  if (id == 0) return;
  uint64_t words[3] = {first_word(kind, 0, environment), id, static_cast<uint64_t>(value)};
  record::plain(MP_RESOURCE_CHANGE, words, 3);
}

Resource* take() {
  Locked lock(g_lock);
  return take_locked();
}

void give_back(Resource* resource) {
  Locked lock(g_lock);
  free_locked(resource);
}

void link(Resource* resource) {
  Resource replaced;
  bool hasReplaced;
  {
    Locked lock(g_lock);
    hasReplaced = link_locked(resource, &replaced);
  }
  if (hasReplaced) tell_replaced(replaced);
}

Resource* add(const Facts& facts, uint64_t id, const void* key, void* env, const Resource* companion) {
  if (id == 0) return nullptr;
  Resource replaced;
  Resource* resource;
  bool hasReplaced = false;
  {
    Locked lock(g_lock);
    resource = take_locked();
    if (resource == nullptr) return nullptr;
    resource->id = id;
    resource->key = reinterpret_cast<uint64_t>(key);
    resource->env = env;
    resource->data = const_cast<void*>(facts.data);
    resource->value = facts.value;
    resource->environment = facts.environment;
    resource->kind = facts.kind;
    resource->isUnwatched = facts.isUnwatched;
    if (companion != nullptr) {
      resource->env = const_cast<Resource*>(companion);
      resource->hint = reinterpret_cast<void*>(companion->id);
    }
    hasReplaced = link_locked(resource, &replaced);
    if (!resource->isLinked) {
      free_locked(resource);
      resource = nullptr;
    }
  }
  if (hasReplaced) tell_replaced(replaced);
  return resource;
}

bool find(uint8_t kind, const void* key, Resource* copy) {
  Locked lock(g_lock);
  Resource* found = find_locked(kind, reinterpret_cast<uint64_t>(key));
  if (found == nullptr) return false;
  *copy = *found;
  return true;
}

bool remove(uint8_t kind, const void* key, uint64_t id, Resource* copy) {
  Locked lock(g_lock);
  Resource* found = search_locked(kind, reinterpret_cast<uint64_t>(key),
                                  [id](const Resource* at) { return id == 0 || at->id == id; });
  if (found == nullptr) return false;
  *copy = *found;
  end_locked(found, found->callback != nullptr);
  return true;
}

bool finish(Resource* resource, Resource* copy) {
  Locked lock(g_lock);
  *copy = *resource;
  if (!resource->isAnnounced) {
    resource->state = State::kEarly;
    return false;
  }
  bool isLast = resource->state == State::kOpen;
  if (!isLast && resource->kind == MP_RESOURCE_WRAP) {
    Resource* twin = search_locked(resource->kind, resource->key,
                                   [resource](const Resource* at) { return at->env == resource->env; });
    if (twin != nullptr) {
      copy->id = twin->id;
      end_locked(twin, true);
      isLast = true;
    }
  }
  free_locked(resource);
  return isLast;
}

bool set_id(Resource* resource, uint64_t id) {
  Locked lock(g_lock);
  resource->id = id;
  resource->isAnnounced = true;
  if (resource->state != State::kEarly) return true;
  free_locked(resource);
  return false;
}

bool remove_wrap(const void* env, const void* data, Resource* copy) {
  Locked lock(g_lock);
  auto key = reinterpret_cast<uint64_t>(data);
  auto isOfEnv = [env](const Resource* at) { return at->env == env; };
  Resource* found = search_locked(MP_RESOURCE_WRAP, key, isOfEnv);
  if (found == nullptr) return false;
  *copy = *found;
  bool hasTwin = search_locked(found->next, MP_RESOURCE_WRAP, key, isOfEnv) != nullptr;
  end_locked(found, found->callback != nullptr && hasTwin);
  return true;
}

bool end_companion(const void* handle, Resource* copy) {
  Locked lock(g_lock);
  Resource* reference = find_locked(MP_RESOURCE_REFERENCE, reinterpret_cast<uint64_t>(handle));
  if (reference == nullptr || reference->hint == nullptr) return false;
  auto* companion = static_cast<Resource*>(reference->env);
  if (companion->state != State::kOpen || companion->id != reinterpret_cast<uint64_t>(reference->hint))
    return false;
  *copy = *companion;
  end_locked(companion, companion->callback != nullptr);
  return true;
}

void external_memory_changed(const void* address, bool isNodeApi, int64_t bytes, unwind::Entry entry) {
  uint32_t stack;
  if (!record::current_stack(entry, &stack)) return;
  Facts facts;
  facts.kind = MP_RESOURCE_EXTERNAL_MEMORY;
  facts.environment = number_of(address, isNodeApi);
  const void* key = reinterpret_cast<const void*>(static_cast<uint64_t>(facts.environment) << 32 | stack);
  Resource copy;
  if (change(facts.kind, key, &copy, [bytes](int64_t value) { return value + bytes; })) {
    write_change(copy.id, copy.kind, copy.environment, copy.value);
    return;
  }
  facts.value = bytes;
  add(facts, write_new_at(facts, stack), key, nullptr);
}

size_t hints(uint64_t* pairs, size_t capacity) {
  Locked lock(g_lock);
  size_t count = 0;
  for (size_t pool = 0; pool < g_poolCount; ++pool) {
    size_t used = pool + 1 == g_poolCount ? g_poolUsed : kPerPool;
    for (size_t i = 0; i < used; ++i) {
      const Resource& each = g_pools[pool][i];
      if (each.state != State::kOpen || each.callback == nullptr || each.hint == nullptr) continue;
      if (count < capacity) {
        pairs[2 * count] = reinterpret_cast<uint64_t>(each.data);
        pairs[2 * count + 1] = reinterpret_cast<uint64_t>(each.hint);
      }
      ++count;
    }
  }
  return count;
}

void resources_after_fork_child() { g_lock.reset(); }

}  // namespace mp::napi
