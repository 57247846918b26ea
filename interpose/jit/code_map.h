// Which code object covers an address. Readers take no lock and never allocate; writers hold the
// caller's lock. Knows nothing of V8: jit.cc feeds it.
//
// Three levels of tables, mapped when first touched; the last has one 32-bit range number for each
// granule of 32 bytes:
//
//    46        32 31        18 17         5 4     0
//   +------------+------------+------------+-------+
//   |   root     |   middle   |    leaf    |       |   address
//   +------------+------------+------------+-------+
//
// 32 bytes, because no two ranges meet in one granule then: V8 aligns machine code to 32 or 64 and
// puts a header of at least 54 bytes before each bytecode array's first bytecode. Should two meet
// all the same, the later owns the granule, and a lookup there of the earlier one finds nothing: no
// name rather than a wrong one.
//
// Why a move leaves the old range in place (both have one id): V8 announces a move before it has
// corrected the pointers to it, so a stack taken inside the collection still shows the old address.
// Every new range takes over what it overlaps, so an address that is used again never names what
// was there before.
#ifndef MEMPROF_JIT_CODE_MAP_H
#define MEMPROF_JIT_CODE_MAP_H

#include <stddef.h>
#include <stdint.h>

#include <atomic>

namespace mp::jit {

struct CodeRange {
  uintptr_t start;
  uint32_t lengthBytes;
  uint32_t id;
  uint32_t kind;  // the caller's
  uint32_t tag;   // the caller's
};

// Static storage only: zero-initialized is empty, and nothing is ever unmapped.
class CodeMap {
 public:
  // Lock-free, async-signal-safe. False: no range covers the address.
  bool find(uintptr_t address, CodeRange* found) const;

  // pre (all that follow): the caller holds the writers' lock.
  // False: no memory or not an address; whatever the range overlapped is gone nevertheless.
  bool add(const CodeRange& range);
  // Adds the range that starts exactly at `from` once more at `to`. False: there is none.
  bool move(uintptr_t from, uintptr_t to);
  // Removes the range that starts exactly at `start`, if there is one.
  void remove(uintptr_t start);
  // Removes every range that has a byte in [low, high).
  void forget(uintptr_t low, uintptr_t high);

  // Without the lock: makes [low, high) find nothing, but keeps the ranges' memory.
  void hide(uintptr_t low, uintptr_t high);
  // True when nothing was ever recorded near the range: forget would do nothing. Lock-free.
  bool is_untouched(uintptr_t low, uintptr_t high) const;
  // Changes whenever an address that was found may from now on be other code.
  uint32_t epoch() const { return epoch_.load(std::memory_order_acquire); }

 private:
  static constexpr unsigned kGranuleBits = 5, kLeafBits = 13, kMiddleBits = 14, kRootBits = 15;
  static constexpr unsigned kAddressBits = kGranuleBits + kLeafBits + kMiddleBits + kRootBits;
  static constexpr uintptr_t kLeafSpanBytes = uintptr_t{1} << (kGranuleBits + kLeafBits);
  static constexpr uintptr_t kMiddleSpanBytes = kLeafSpanBytes << kMiddleBits;
  static constexpr unsigned kSlotChunkBits = 12, kSlotChunks = 1u << 14;
  static constexpr size_t kPoolBytes = 512 * 1024;
  static_assert(kAddressBits == 47);

  using Granule = std::atomic<uint32_t>;  // 0: nothing, else a slot's number
  struct Leaf {
    Granule granules[1u << kLeafBits];
  };
  struct Middle {
    std::atomic<Leaf*> leaves[1u << kMiddleBits];
  };
  // Read without a lock while it may be given to another range: see find.
  struct Slot {
    std::atomic<uintptr_t> start;
    std::atomic<uint32_t> lengthBytes, id, kind, tag;
    std::atomic<uint32_t> version;  // odd: being filled
    uint32_t nextFree;
  };

  Leaf* leaf_of(uintptr_t address) const;
  Leaf* make_leaf(uintptr_t address);
  Granule* granule_of(uintptr_t address) const;
  Slot* slot(uint32_t number) const;
  uint32_t take_slot();
  void give_back(uint32_t number);
  void remove_slot(uint32_t number);
  uint32_t exact(uintptr_t start) const;
  void* pool(size_t bytes);
  template <typename Visit>
  void each_granule(uintptr_t low, uintptr_t high, Visit visit) const;

  std::atomic<uint32_t> epoch_;
  std::atomic<Middle*> root_[1u << kRootBits];
  std::atomic<Slot*> chunks_[kSlotChunks];
  uint32_t slotCount_;
  // First in, first out: a slot rests as long as possible before it means something else.
  uint32_t freeHead_, freeTail_;
  char* poolNext_;
  size_t poolLeftBytes_;
};

}  // namespace mp::jit

#endif
