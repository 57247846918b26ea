// Which block a word points into. Three levels by address; the last has an entry for every 512 bytes of heap,
// so a lookup meets a handful of blocks at most.
#ifndef MEMPROF_SCAN_INDEX_H
#define MEMPROF_SCAN_INDEX_H

#include "../base.h"

namespace mp::scan {

constexpr uint32_t kNoRow = 0xffffffffu;

class BlockIndex {
 public:
  // Rows sorted by address; the columns stay the caller's. flags: blocks of pools (MP_BLOCK_POOL) may lie wholly in
  // other blocks, which come before them. nullptr: there are none. False: no memory.
  bool build(const uint64_t* addresses, const uint64_t* sizes, uint32_t count,
             const uint8_t* flags = nullptr);

  // The row of the block that holds the address, its first byte or one inside; kNoRow: none. A block of 0
  // bytes has one. Where blocks lie in others, the innermost.
  MP_INLINE uint32_t find(uintptr_t address) const {
    if (MP_LIKELY(address - low_ >= span_)) return kNoRow;
    return look(address);
  }

  // The block that a pool's block lies in; kNoRow: none.
  uint32_t parent(uint32_t row) const { return parents_ == nullptr ? kNoRow : parents_[row]; }
  // The outermost one, or the row itself.
  uint32_t outermost(uint32_t row) const {
    while (parent(row) != kNoRow) row = parent(row);
    return row;
  }
  bool is_nested() const { return parents_ != nullptr; }

 private:
  static constexpr unsigned kGrainBits = 9;
  static constexpr unsigned kLeafBits = 12;    // 2 MiB
  static constexpr unsigned kMiddleBits = 13;  // 16 GiB
  static constexpr unsigned kRootBits = 13;    // all that user space has

  struct Leaf {
    uint32_t
        first[1u << kLeafBits];  // row + 1 of the first block that begins in the grain or later; 0: no block
  };
  struct Middle {
    // A leaf, or (row << 1 | 1): nothing but this one block, all 2 MiB.
    uintptr_t leaf[1u << kMiddleBits];
  };

  uintptr_t* slot_of(uintptr_t address);
  bool cover(uint32_t row);
  bool find_parents(const uint8_t* flags);
  void* take(size_t bytes);

  MP_INLINE uint32_t look(uintptr_t address) const {
    const Middle* middle = root_[address >> (kGrainBits + kLeafBits + kMiddleBits)];
    if (middle == nullptr) return kNoRow;
    uintptr_t entry = middle->leaf[(address >> (kGrainBits + kLeafBits)) & ((1u << kMiddleBits) - 1)];
    if (entry == 0) return kNoRow;
    if ((entry & 1) != 0) return within(static_cast<uint32_t>(entry >> 1), address);
    uint32_t row =
        reinterpret_cast<const Leaf*>(entry)->first[(address >> kGrainBits) & ((1u << kLeafBits) - 1)];
    if (row == 0) return kNoRow;
    --row;
    while (row < count_ && addresses_[row] <= address) ++row;
    return row == 0 ? kNoRow : within(row - 1, address);
  }
  MP_INLINE uint32_t within(uint32_t row, uintptr_t address) const {
    uint64_t size = sizes_[row] == 0 ? 1 : sizes_[row];
    if (address - addresses_[row] < size) return row;
    return MP_LIKELY(parents_ == nullptr) ? kNoRow : around(row, address);
  }

  uint32_t around(uint32_t row, uintptr_t address) const;

  const uint64_t* addresses_ = nullptr;
  const uint64_t* sizes_ = nullptr;
  uint32_t* parents_ = nullptr;
  uint32_t count_ = 0;
  uintptr_t low_ = 0;
  uintptr_t span_ = 0;
  Middle** root_ = nullptr;
  char* pool_ = nullptr;
  size_t poolLeft_ = 0;
};

}  // namespace mp::scan

#endif
