#include "table.h"

#include "../base.h"
#include "../os/os.h"
#include "../ring/process.h"

namespace mp::stacks {
namespace {

constexpr uint32_t kMaxChunks = 4096;  // 268 million nodes, 4 GiB: space ends before ids do
constexpr size_t kChunkBytes = sizeof(StackNode) * MP_STACK_CHUNK_NODES;

// A slot: a node's id, and above it four bits that its frame must have, so that few others' nodes are
// looked at. 0: free. No slot is ever freed. Nodes that lie right after their parent are not in here:
// is_next finds them.
struct Index {
  uint32_t mask;
  std::atomic<uint32_t> slots[];
};
constexpr uint32_t kIdBits = 28;
constexpr uint32_t kIdMask = (1u << kIdBits) - 1;
static_assert(uint64_t{kMaxChunks} * MP_STACK_CHUNK_NODES <= uint64_t{1} << kIdBits);

std::atomic<StackNode*> g_chunks[kMaxChunks];
std::atomic<uint32_t> g_next{0};
std::atomic<uint32_t> g_indexed{0};   // nodes in the index
std::atomic<uint32_t> g_capacity{0};  // nodes that have a chunk
std::atomic<bool> g_full{false};
std::atomic<Index*> g_index{nullptr};
Index* g_oldIndexes[32];
uint32_t g_oldIndexCount = 0;
SpinLock g_growLock;

size_t index_bytes(uint32_t mask) { return sizeof(Index) + (static_cast<size_t>(mask) + 1) * 4; }

StackNode& at(uint32_t id) {
  return g_chunks[id / MP_STACK_CHUNK_NODES].load(std::memory_order_acquire)[id % MP_STACK_CHUNK_NODES];
}

uint32_t slot_of(uint32_t id, uint64_t frame) {
  return id | static_cast<uint32_t>(frame * UINT64_C(0x9E3779B97F4A7C15) >> (32 + kIdBits)) << kIdBits;
}

// Where a node may stand in the index: a few slots that belong to its parent, then a few from each of its
// hashes on. The nodes of a stack have ids, and so slots, near to each other: a hash alone cost a miss of
// the cache and of the TLB for each (9 % of a sharp run). The parents that have many children use the
// hashes: several, for slots in a row fill up where ids are near to each other.
class Places {
 public:
  Places(const Index& index, uint32_t parent, uint64_t frame)
      : mask_(index.mask), parent_(parent), frame_(frame), place_(parent * 2 & mask_) {}
  uint32_t operator*() const { return place_; }
  void next() {
    place_ = (place_ + 1) & mask_;
    if (MP_UNLIKELY(--left_ == 0)) {
      left_ = kInARow;
      place_ = hash(++hashCount_) & mask_;
    }
  }

 private:
  static constexpr uint32_t kInARow = 4;
  static constexpr uint64_t kMultiplier = UINT64_C(0xD6E8FEB86659FD93);

  uint32_t hash(uint32_t number) const {
    uint64_t x = frame_ ^ (static_cast<uint64_t>(parent_) << 32 | parent_);
    x = (x + number * kMultiplier) * UINT64_C(0x9E3779B97F4A7C15);
    x ^= x >> 32;
    x *= kMultiplier;
    return static_cast<uint32_t>(x >> 32);
  }

  uint32_t mask_;
  uint32_t parent_;
  uint64_t frame_;
  uint32_t place_;
  uint32_t left_ = kInARow;
  uint32_t hashCount_ = 0;
};

bool add_chunk() {
  uint32_t number = g_capacity.load(std::memory_order_relaxed) / MP_STACK_CHUNK_NODES;
  if (number >= kMaxChunks) return false;
  auto* chunk = static_cast<StackNode*>(create_part('s', number, kChunkBytes));
  if (chunk == nullptr) return false;
  if (!publish_part('s', number)) {
    os::unmap(chunk, kChunkBytes);
    return false;
  }
  g_chunks[number].store(chunk, std::memory_order_release);
  g_capacity.store((number + 1) * MP_STACK_CHUNK_NODES, std::memory_order_release);
  __atomic_store_n(&g_process.header->stackChunkCount, number + 1, __ATOMIC_RELEASE);
  return true;
}

void grow_index() {
  Locked lock(g_growLock);
  Index* old = g_index.load(std::memory_order_acquire);
  if (g_indexed.load(std::memory_order_relaxed) < old->mask / 2 + 1) return;  // somebody else grew it
  if (g_oldIndexCount == 32) return;
  uint32_t mask = old->mask * 2 + 1;
  auto* index = static_cast<Index*>(map_pages(index_bytes(mask)));
  if (index == nullptr) return;
  index->mask = mask;
  // A node that is reserved but not yet written has frame 0: it is left out, and may come twice.
  uint32_t used = g_next.load(std::memory_order_acquire);
  uint32_t capacity = g_capacity.load(std::memory_order_acquire);
  for (uint32_t id = MP_STACK_FIRST_FREE_ID; id < used && id < capacity; ++id) {
    const StackNode& node = at(id);
    uint64_t frame = __atomic_load_n(&node.frame, __ATOMIC_ACQUIRE);
    if (frame == 0 || node.parent + 1 == id) continue;
    Places place(*index, node.parent, frame);
    while (index->slots[*place].load(std::memory_order_relaxed) != 0) place.next();
    index->slots[*place].store(slot_of(id, frame), std::memory_order_relaxed);
  }
  // Readers may still probe the old one: it is kept until the process is gone (half the size of
  // the new one each time, so together never more than the newest).
  g_oldIndexes[g_oldIndexCount++] = old;
  g_index.store(index, std::memory_order_release);
}

void write_node(uint32_t id, uint32_t parent, uint64_t frame) {
  StackNode& node = at(id);
  node.parent = parent;
  node.depth = at(parent).depth + 1;
  __atomic_store_n(&node.frame, frame, __ATOMIC_RELEASE);
}

// Of so many ids in a row the first. MP_MARKER_TABLE_FULL when there is no place.
uint32_t reserve(uint32_t count) {
  uint32_t id = g_next.fetch_add(count, std::memory_order_relaxed);
  while (id + count > g_capacity.load(std::memory_order_acquire)) {
    if (g_full.load(std::memory_order_relaxed)) return MP_MARKER_TABLE_FULL;
    Locked lock(g_growLock);
    if (id + count > g_capacity.load(std::memory_order_acquire) && !add_chunk()) {
      g_full.store(true, std::memory_order_relaxed);
      return MP_MARKER_TABLE_FULL;
    }
  }
  return id;
}

// The highest, though threads finish out of order: it never goes back.
void show_up_to(uint32_t end) {
  uint32_t* shown = &g_process.header->stackNodeCount;
  for (uint32_t seen = __atomic_load_n(shown, __ATOMIC_RELAXED); seen < end;) {
    if (__atomic_compare_exchange_n(shown, &seen, end, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) break;
  }
}

}  // namespace

bool reset() {
  g_next.store(MP_STACK_FIRST_FREE_ID);
  g_indexed.store(0);
  g_capacity.store(0);
  g_full.store(false);
  constexpr uint32_t kFirstMask = (1u << 15) - 1;
  auto* index = static_cast<Index*>(map_pages(index_bytes(kFirstMask)));
  if (index == nullptr) return false;
  index->mask = kFirstMask;
  g_index.store(index);
  if (!add_chunk()) return false;
  for (uint32_t marker = MP_MARKER_CUT; marker <= MP_MARKER_BROKEN; ++marker) {
    at(marker) = StackNode{encode_marker(marker), 0, 1};
  }
  g_process.header->stackNodeCount = MP_STACK_FIRST_FREE_ID;
  return true;
}

void abandon() {
  g_growLock.reset();
  for (uint32_t i = 0; i * MP_STACK_CHUNK_NODES < g_capacity.load(); ++i) {
    os::unmap(g_chunks[i].load(), kChunkBytes);
    g_chunks[i].store(nullptr);
  }
  Index* index = g_index.load();
  if (index != nullptr) unmap_pages(index, index_bytes(index->mask));
  for (uint32_t i = 0; i < g_oldIndexCount; ++i)
    unmap_pages(g_oldIndexes[i], index_bytes(g_oldIndexes[i]->mask));
  g_oldIndexCount = 0;
  g_index.store(nullptr);
  g_capacity.store(0);
}

// A stack's new nodes are made from the root to the leaf, so a node's first child mostly lies right
// after it: one look there, in the same line of the cache, against a hash and two misses.
MP_INLINE bool is_next(uint32_t parent, uint64_t frame) {
  const uint32_t id = parent + 1;
  const StackNode* chunk = g_chunks[id / MP_STACK_CHUNK_NODES].load(std::memory_order_acquire);
  if (MP_UNLIKELY(chunk == nullptr)) return false;
  const StackNode& node = chunk[id % MP_STACK_CHUNK_NODES];
  // frame is the last word of a node to be written: pairs with new_node's release.
  return __atomic_load_n(&node.frame, __ATOMIC_ACQUIRE) == frame && node.parent == parent;
}

uint32_t intern(uint32_t parent, uint64_t frame, uint32_t below, bool* isNew) {
  if (MP_UNLIKELY(parent == MP_MARKER_TABLE_FULL)) return parent;
  if (MP_LIKELY(is_next(parent, frame))) return parent + 1;
  Index* index = g_index.load(std::memory_order_acquire);
  Places place(*index, parent, frame);
  const uint32_t tag = slot_of(0, frame);
  uint32_t mine = 0;
  for (;;) {
    uint32_t slot = index->slots[*place].load(std::memory_order_acquire);
    if (slot == 0) {
      if (mine == 0) {
        if (MP_UNLIKELY(g_indexed.load(std::memory_order_relaxed) > index->mask / 2)) {
          grow_index();
          Index* grown = g_index.load(std::memory_order_acquire);
          if (grown != index) {
            index = grown;
            place = Places(*index, parent, frame);
            continue;
          }
          // No memory for a larger index: go on until it is nearly full, then stop keeping stacks.
          if (g_indexed.load(std::memory_order_relaxed) > index->mask - index->mask / 8)
            return MP_MARKER_TABLE_FULL;
        }
        mine = reserve(1 + below);
        if (mine == MP_MARKER_TABLE_FULL) return mine;
        write_node(mine, parent, frame);
        show_up_to(mine + 1 + below);
        *isNew = below != 0;
        if (mine == parent + 1) return mine;
        g_indexed.fetch_add(1, std::memory_order_relaxed);
      }
      if (index->slots[*place].compare_exchange_strong(slot, mine | tag, std::memory_order_acq_rel))
        return mine;
      // slot now holds the winner: look whether it is our own node, made by another thread.
    }
    if ((slot & ~kIdMask) == tag) {
      const StackNode& node = at(slot & kIdMask);
      // What was reserved must be written, so it stays below our own.
      if (node.frame == frame && node.parent == parent) return *isNew ? mine : slot & kIdMask;
    }
    place.next();
  }
}

uint32_t append(uint32_t parent, uint64_t frame) {
  write_node(parent + 1, parent, frame);
  return parent + 1;
}

StackNode node(uint32_t id) { return at(id); }

}  // namespace mp::stacks
