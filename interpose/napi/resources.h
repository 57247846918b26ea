// What addons got from Node-API and V8 and have not given back: a table by kind and address, and the
// records about it. Entries are our own memory (mapped, bounded, never malloc); an entry is also what
// stands in the place of an addon's finalizer hint. The lock is never held across a call out of here.
#ifndef MEMPROF_NAPI_RESOURCES_H
#define MEMPROF_NAPI_RESOURCES_H

#include <stddef.h>
#include <stdint.h>

#include "../base.h"
#include "../unwind/walk.h"
#include "../wire.h"

namespace mp::napi {

enum class State : uint8_t {
  kFree,
  kOpen,
  kEarly,  // its finalizer ran before anybody was told that it exists
  kEnded,  // its END is written; its finalizer might still run, so its memory is kept
};

struct Resource {
  uint64_t id;   // as in the records; 0: not announced
  uint64_t key;  // address that it is found by
  void* env;
  void* data;
  void* callback;  // the addon's finalizer; nullptr: we do not stand in for one
  void* hint;
  int64_t value;
  Resource* next;      // in its bucket, or in the free list
  Resource** pointer;  // what points to it in its bucket
  uint16_t environment;
  uint8_t kind;
  State state;
  bool isAnnounced;
  bool isLinked;
  bool isUnwatched;  // nobody will tell when it ends
};

// What a MP_RESOURCE_NEW says, but for the stack.
struct Facts {
  uint8_t kind = 0;
  uint16_t environment = 0;
  bool isUnwatched = false;
  const void* data = nullptr;
  const void* handle = nullptr;
  int64_t value = 0;
  uint32_t text = 0;
};

// Records. 0: it could not be recorded.
uint64_t write_new(const Facts& facts, unwind::Entry entry);
// With a stack that was taken earlier.
uint64_t write_new_at(const Facts& facts, uint32_t stack);
// The same about a resource that exists: what has become known of it.
void write_update(uint64_t id, const Facts& facts);
void write_end(uint64_t id, uint8_t kind, uint16_t environment, uint8_t how);
void write_change(uint64_t id, uint8_t kind, uint16_t environment, int64_t value);

// An entry, zeroed and open; nullptr: there are too many.
Resource* take();
void give_back(Resource* resource);

// Makes it findable by kind and key. Whatever was there with a handle of the same address has ended unseen.
void link(Resource* resource);
// A findable entry of a resource without a finalizer of ours, replacing the one that is there. `companion`:
// of a reference, what it came with (napi_wrap, napi_add_finalizer).
Resource* add(const Facts& facts, uint64_t id, const void* key, void* env,
              const Resource* companion = nullptr);

// A copy of the entry; false: there is none.
bool find(uint8_t kind, const void* key, Resource* copy);
// Takes the entry out of the table. id 0: whichever. Its memory is free again unless a finalizer of ours
// may still run with it.
bool remove(uint8_t kind, const void* key, uint64_t id, Resource* copy);
// Sets the value of an entry to what `change` makes of it; false: there is none.
template <typename Change>
bool change(uint8_t kind, const void* key, Resource* copy, Change change);

// Takes an entry whose finalizer runs: false if it was ended before. (The twin of an ended one is ended in
// its place: two wraps of the same data cannot be told apart when one is removed.)
bool finish(Resource* resource, Resource* copy);
// The entry's NEW was written. False: its finalizer ran before; the entry is gone.
bool set_id(Resource* resource, uint64_t id);
// The wrap of this data in this environment was removed by the addon.
bool remove_wrap(const void* env, const void* data, Resource* copy);
// What this reference came with, if it exists still: it will never be finalized any more.
bool end_companion(const void* handle, Resource* copy);

// V8 was told that this environment (or isolate) holds more or less: one resource for each stack.
void external_memory_changed(const void* address, bool isNodeApi, int64_t bytes, unwind::Entry entry);

size_t hints(uint64_t* pairs, size_t capacity);
void resources_after_fork_child();

namespace detail {
extern SpinLock g_lock;
Resource* find_locked(uint8_t kind, uint64_t key);
}  // namespace detail

template <typename Change>
bool change(uint8_t kind, const void* key, Resource* copy, Change change) {
  Locked lock(detail::g_lock);
  Resource* resource = detail::find_locked(kind, reinterpret_cast<uint64_t>(key));
  if (resource == nullptr) return false;
  resource->value = change(resource->value);
  *copy = *resource;
  return true;
}

}  // namespace mp::napi

#endif
