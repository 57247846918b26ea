#include "index.h"

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
  for (uintptr_t at = begin & ~(kGrain - 1); at < end;) {
    uintptr_t* slot = slot_of(at);
    if (slot == nullptr) return false;
    uintptr_t leafLow = at & ~(kLeafSpan - 1);
    if (*slot == 0 && begin <= leafLow && end - leafLow >= kLeafSpan) {
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
      if (first == 0) first = (begin < at ? row + 1 : row) + 1;
    }
  }
  return true;
}

bool BlockIndex::build(const uint64_t* addresses, const uint64_t* sizes, uint32_t count) {
  addresses_ = addresses;
  sizes_ = sizes;
  count_ = count;
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
