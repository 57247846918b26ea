#include "pending.h"

#include "../base.h"

namespace mp::queued {
namespace {

uint32_t hash(uintptr_t request) {
  return static_cast<uint32_t>((request * UINT64_C(0x9E3779B97F4A7C15)) >> 32);
}

}  // namespace

// Where the request is, or the empty slot where it would go.
uint32_t Pending::place_of(uintptr_t request) const {
  uint32_t i = hash(request) & mask_;
  while (slots_[i].request != 0 && slots_[i].request != request) i = (i + 1) & mask_;
  return i;
}

bool Pending::grow() {
  uint32_t mask = slots_ == nullptr ? 255 : mask_ * 2 + 1;
  auto* slots = static_cast<Slot*>(map_pages((size_t{mask} + 1) * sizeof(Slot)));
  if (slots == nullptr) return false;
  Slot* old = slots_;
  uint32_t oldCount = old == nullptr ? 0 : mask_ + 1;
  slots_ = slots;
  mask_ = mask;
  for (uint32_t i = 0; i < oldCount; ++i) {
    if (old[i].request != 0) slots_[place_of(old[i].request)] = old[i];
  }
  unmap_pages(old, size_t{oldCount} * sizeof(Slot));
  return true;
}

void Pending::put(uintptr_t request, uint32_t stack) {
  // Without memory a request goes unnoted: its work then has no parent.
  if ((slots_ == nullptr || count_ > mask_ / 2) && !grow()) return;
  Slot& slot = slots_[place_of(request)];
  if (slot.request == 0) ++count_;
  slot = Slot{request, stack};
}

bool Pending::take(uintptr_t request, uint32_t* stack) {
  if (slots_ == nullptr) return false;
  uint32_t i = place_of(request);
  if (slots_[i].request == 0) return false;
  *stack = slots_[i].stack;
  --count_;
  // Backward shift: no slot that comes after may be cut off from its place.
  for (uint32_t next = (i + 1) & mask_; slots_[next].request != 0; next = (next + 1) & mask_) {
    uint32_t wanted = hash(slots_[next].request) & mask_;
    if (((next - wanted) & mask_) >= ((next - i) & mask_)) {
      slots_[i] = slots_[next];
      i = next;
    }
  }
  slots_[i] = Slot{};
  return true;
}

void Pending::clear() {
  if (slots_ != nullptr) unmap_pages(slots_, (size_t{mask_} + 1) * sizeof(Slot));
  slots_ = nullptr;
  mask_ = 0;
  count_ = 0;
}

}  // namespace mp::queued
