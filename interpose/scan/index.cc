#include "index.h"

#include "../wire.h"

namespace mp::scan {

// Leaves are many and small: taken from pieces of this size, which are never given back.
constexpr size_t kPoolBytes = 4u << 20;

void* BlockIndex::take(size_t bytes) {
  if (poolLeft_ < bytes) {
    pool_ = static_cast<char*>(map_pages(kPoolBytes));
    poolLeft_ = pool_ == nullptr ? 0 : kPoolBytes;
    if (pool_ == nullptr) return nullptr;
  }
  void* taken = pool_;
  pool_ += bytes;
  poolLeft_ -= bytes;
  return taken;
}

uintptr_t* BlockIndex::slot_of(uintptr_t address) {
  Middle*& middle = root_[address >> (kGrainBits + kLeafBits + kMiddleBits)];
  if (middle == nullptr) middle = static_cast<Middle*>(take(sizeof(Middle)));
  if (middle == nullptr) return nullptr;
  return &middle->leaf[(address >> (kGrainBits + kLeafBits)) & ((1u << kMiddleBits) - 1)];
}

bool BlockIndex::cover(uint32_t row) {
  constexpr uintptr_t kGrain = uintptr_t{1} << kGrainBits;
  constexpr uintptr_t kLeafSpan = kGrain << kLeafBits;
  const uintptr_t begin = addresses_[row];
  const uintptr_t end = begin + (sizes_[row] == 0 ? 1 : sizes_[row]);
  const bool holdsOthers = parents_ != nullptr && row + 1 < count_ && parents_[row + 1] == row;
  uint32_t next = row;  // the first that begins in the grain or later
  for (uintptr_t at = begin & ~(kGrain - 1); at < end;) {
    uintptr_t* slot = slot_of(at);
    if (slot == nullptr) return false;
    uintptr_t leafLow = at & ~(kLeafSpan - 1);
    if (*slot == 0 && begin <= leafLow && end - leafLow >= kLeafSpan && !holdsOthers) {
      *slot = uintptr_t{row} << 1 | 1;
      at = leafLow + kLeafSpan;
      continue;
    }
    if ((*slot & 1) != 0) return true;  // overlapping blocks: the first keeps the place
    if (*slot == 0) *slot = reinterpret_cast<uintptr_t>(take(sizeof(Leaf)));
    if (*slot == 0) return false;
    auto* leaf = reinterpret_cast<Leaf*>(*slot);
    for (uintptr_t leafHigh = leafLow + kLeafSpan; at < end && at < leafHigh; at += kGrain) {
      uint32_t& first = leaf->first[(at >> kGrainBits) & ((1u << kLeafBits) - 1)];
      // The first block that touches a grain: all before it begin before the grain does.
      if (first != 0) continue;
      while (next < count_ && addresses_[next] < at) ++next;
      first = next + 1;
    }
  }
  return true;
}

uint32_t BlockIndex::around(uint32_t row, uintptr_t address) const {
  for (row = parents_[row]; row != kNoRow; row = parents_[row])
    if (address - addresses_[row] < sizes_[row]) return row;
  return kNoRow;
}

// Rows come sorted, outer before inner. What is not so, though it should be, is nobody's child.
bool BlockIndex::find_parents(const uint8_t* flags) {
  bool hasPools = false;
  for (uint32_t row = 0; row < count_ && !hasPools; ++row) hasPools = (flags[row] & MP_BLOCK_POOL) != 0;
  if (!hasPools) return true;
  auto* parents = static_cast<uint32_t*>(map_pages(size_t{count_} * sizeof(uint32_t)));
  if (parents == nullptr) return false;
  uint32_t last = kNoRow;
  for (uint32_t row = 0; row < count_; ++row) {
    while (last != kNoRow && addresses_[row] - addresses_[last] >= sizes_[last]) last = parents[last];
    parents[row] = last;
    last = row;
  }
  parents_ = parents;
  return true;
}

bool BlockIndex::build(const uint64_t* addresses, const uint64_t* sizes, uint32_t count,
                       const uint8_t* flags) {
  addresses_ = addresses;
  sizes_ = sizes;
  count_ = count;
  if (flags != nullptr && !find_parents(flags)) return false;
  root_ = static_cast<Middle**>(map_pages(sizeof(Middle*) << kRootBits));
  if (root_ == nullptr) return false;
  if (count == 0) return true;
  constexpr uintptr_t kUserSpace = uintptr_t{1} << (kGrainBits + kLeafBits + kMiddleBits + kRootBits);
  low_ = addresses[0];
  uintptr_t high = low_;
  for (uint32_t row = 0; row < count; ++row) {
    uintptr_t end = addresses[row] + (sizes[row] == 0 ? 1 : sizes[row]);
    if (end < addresses[row] || end > kUserSpace || (row > 0 && addresses[row] < addresses[row - 1]))
      return false;
    if (end > high) high = end;
    if (!cover(row)) return false;
  }
  span_ = high - low_;
  return true;
}

}  // namespace mp::scan
