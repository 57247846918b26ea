#include "names.h"

#include <string.h>

#include "../base.h"
#include "meta.h"

namespace mp::names {
namespace {

constexpr uint32_t kSlots = 1u << 13;
constexpr uint32_t kMost = kSlots / 2;
constexpr size_t kBytes = 1u << 20;
constexpr char kTooMany[] = "(one of too many names)";

struct Name {
  uint64_t hash;
  uint32_t id;
  uint32_t length;
  char text[1];
};

// Never changed once it is in its slot.
struct Table {
  std::atomic<Name*> slots[kSlots];
  std::atomic<uint32_t> count;
  std::atomic<uint32_t> tooMany;  // text id
  std::atomic<uint64_t> used;
  char bytes[kBytes];
};

std::atomic<Table*> g_table{nullptr};

Table* table() {
  Table* known = g_table.load(std::memory_order_acquire);
  if (known != nullptr) return known;
  auto* made = static_cast<Table*>(map_pages(sizeof(Table)));
  if (made == nullptr) return nullptr;
  if (g_table.compare_exchange_strong(known, made, std::memory_order_acq_rel)) return made;
  unmap_pages(made, sizeof(Table));
  return known;
}

uint64_t hash_of(const char* text, uint32_t length) {
  uint64_t hash = UINT64_C(0xcbf29ce484222325);
  for (uint32_t i = 0; i < length; ++i)
    hash = (hash ^ static_cast<uint8_t>(text[i])) * UINT64_C(0x100000001b3);
  return hash;
}

// The slot that has the name, or the empty one where it belongs.
std::atomic<Name*>* slot_of(Table* names, uint64_t hash, const char* text, uint32_t length) {
  for (uint32_t at = static_cast<uint32_t>(hash >> 20) & (kSlots - 1);; at = (at + 1) & (kSlots - 1)) {
    const Name* name = names->slots[at].load(std::memory_order_acquire);
    if (name == nullptr) return &names->slots[at];
    if (name->hash == hash && name->length == length && memcmp(name->text, text, length) == 0)
      return &names->slots[at];
  }
}

uint32_t too_many(Table* names) {
  uint32_t id = names->tooMany.load(std::memory_order_acquire);
  if (id == 0) {
    id = meta::text(kTooMany, sizeof kTooMany - 1);
    names->tooMany.store(id, std::memory_order_release);
  }
  return id;
}

Name* make(Table* names, uint64_t hash, const char* text, uint32_t length) {
  if (names->count.fetch_add(1, std::memory_order_relaxed) >= kMost) return nullptr;
  const uint64_t bytes = round_up(sizeof(Name) + length, alignof(Name));
  const uint64_t at = names->used.fetch_add(bytes, std::memory_order_relaxed);
  if (at + bytes > kBytes) return nullptr;
  auto* name = reinterpret_cast<Name*>(names->bytes + at);
  name->hash = hash;
  name->length = length;
  memcpy(name->text, text, length);
  name->id = meta::text(text, length);
  return name;
}

}  // namespace

uint32_t id_of(const char* text) {
  if (text == nullptr || text[0] == '\0') return 0;
  Table* names = table();
  if (names == nullptr) return 0;
  const auto length = static_cast<uint32_t>(strnlen(text, kLongest));
  const uint64_t hash = hash_of(text, length);
  const Name* known = slot_of(names, hash, text, length)->load(std::memory_order_acquire);
  if (known != nullptr) return known->id;
  if (meta::is_writing()) return 0;
  if (names->count.load(std::memory_order_relaxed) >= kMost) return too_many(names);
  Name* made = make(names, hash, text, length);
  if (made == nullptr) return too_many(names);
  // Somebody else may take the slot, for this very name or for another.
  for (;;) {
    std::atomic<Name*>* slot = slot_of(names, hash, text, length);
    Name* there = nullptr;
    if (slot->compare_exchange_strong(there, made, std::memory_order_acq_rel)) return made->id;
    if (there->hash == hash && there->length == length && memcmp(there->text, text, length) == 0)
      return there->id;
  }
}

// Their ids are texts of the parent's recording.
void after_fork_child() {
  Table* names = g_table.exchange(nullptr, std::memory_order_acq_rel);
  if (names != nullptr) unmap_pages(names, sizeof(Table));
}

}  // namespace mp::names
