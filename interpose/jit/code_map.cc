#include "code_map.h"

#include "../base.h"

namespace mp::jit {

namespace {
constexpr auto relaxed = std::memory_order_relaxed;
constexpr auto acquire = std::memory_order_acquire;
constexpr auto release = std::memory_order_release;
constexpr uintptr_t kGranuleBytes = 32;
}  // namespace

CodeMap::Leaf* CodeMap::leaf_of(uintptr_t address) const {
  if (MP_UNLIKELY(address >> kAddressBits)) return nullptr;
  Middle* middle = root_[address / kMiddleSpanBytes].load(acquire);
  if (middle == nullptr) return nullptr;
  return middle->leaves[address / kLeafSpanBytes % (1u << kMiddleBits)].load(acquire);
}

CodeMap::Granule* CodeMap::granule_of(uintptr_t address) const {
  Leaf* leaf = leaf_of(address);
  if (leaf == nullptr) return nullptr;
  return &leaf->granules[address / kGranuleBytes % (1u << kLeafBits)];
}

CodeMap::Slot* CodeMap::slot(uint32_t number) const {
  Slot* chunk = chunks_[number >> kSlotChunkBits].load(acquire);
  return chunk == nullptr ? nullptr : &chunk[number & ((1u << kSlotChunkBits) - 1)];
}

bool CodeMap::find(uintptr_t address, CodeRange* found) const {
  Granule* granule = granule_of(address);
  if (granule == nullptr) return false;
  for (;;) {
    uint32_t number = granule->load(acquire);  // pairs with add's store of the granule
    if (number == 0) return false;
    Slot* s = slot(number);
    uint32_t version = s->version.load(acquire);
    found->start = s->start.load(relaxed);
    found->lengthBytes = s->lengthBytes.load(relaxed);
    found->id = s->id.load(relaxed);
    found->kind = s->kind.load(relaxed);
    found->tag = s->tag.load(relaxed);
    // Pairs with the release fences in take_slot: whoever saw a word of a later range sees the
    // version that announced it, and that the granule was cleared before. So a retry needs a writer
    // that went on meanwhile: a signal handler that interrupted the writer never waits for it.
    // The granule first: if it names the slot again, the version says that the slot was filled anew.
    std::atomic_thread_fence(acquire);
    if (MP_LIKELY(granule->load(acquire) == number && s->version.load(relaxed) == version)) break;
  }
  return address - found->start < found->lengthBytes;
}

void* CodeMap::pool(size_t bytes) {
  if (poolLeftBytes_ < bytes) {
    void* pages = map_pages(kPoolBytes);
    if (pages == nullptr) return nullptr;
    poolNext_ = static_cast<char*>(pages);
    poolLeftBytes_ = kPoolBytes;
  }
  void* result = poolNext_;
  poolNext_ += bytes;
  poolLeftBytes_ -= bytes;
  return result;
}

CodeMap::Leaf* CodeMap::make_leaf(uintptr_t address) {
  if (address >> kAddressBits) return nullptr;
  std::atomic<Middle*>& inRoot = root_[address / kMiddleSpanBytes];
  Middle* middle = inRoot.load(relaxed);
  if (middle == nullptr) {
    middle = static_cast<Middle*>(pool(sizeof(Middle)));
    if (middle == nullptr) return nullptr;
    inRoot.store(middle, release);  // pairs with leaf_of
  }
  std::atomic<Leaf*>& inMiddle = middle->leaves[address / kLeafSpanBytes % (1u << kMiddleBits)];
  Leaf* leaf = inMiddle.load(relaxed);
  if (leaf == nullptr) {
    leaf = static_cast<Leaf*>(pool(sizeof(Leaf)));
    if (leaf == nullptr) return nullptr;
    inMiddle.store(leaf, release);  // pairs with leaf_of
  }
  return leaf;
}

// Visits the existing granules that have a byte in [low, high) and steps over absent tables.
template <typename Visit>
void CodeMap::each_granule(uintptr_t low, uintptr_t high, Visit visit) const {
  constexpr uintptr_t kEnd = uintptr_t{1} << kAddressBits;
  if (high > kEnd) high = kEnd;
  uintptr_t at = low & ~(kGranuleBytes - 1);
  while (at < high) {
    if (root_[at / kMiddleSpanBytes].load(acquire) == nullptr) {
      at = (at / kMiddleSpanBytes + 1) * kMiddleSpanBytes;
      continue;
    }
    uintptr_t leafEnd = (at / kLeafSpanBytes + 1) * kLeafSpanBytes;
    Leaf* leaf = leaf_of(at);
    if (leaf == nullptr) {
      at = leafEnd;
      continue;
    }
    for (uintptr_t end = leafEnd < high ? leafEnd : high; at < end; at += kGranuleBytes) {
      if (!visit(leaf->granules[at / kGranuleBytes % (1u << kLeafBits)])) return;
    }
  }
}

uint32_t CodeMap::take_slot() {
  uint32_t number = freeHead_;
  if (number != 0) {
    freeHead_ = slot(number)->nextFree;
    if (freeHead_ == 0) freeTail_ = 0;
  } else {
    if (slotCount_ == 0) slotCount_ = 1;  // slot 0 means none
    number = slotCount_;
    uint32_t chunk = number >> kSlotChunkBits;
    if (chunk >= kSlotChunks) return 0;
    if (chunks_[chunk].load(relaxed) == nullptr) {
      void* pages = pool(sizeof(Slot) << kSlotChunkBits);
      if (pages == nullptr) return 0;
      chunks_[chunk].store(static_cast<Slot*>(pages), release);  // pairs with slot()
    }
    slotCount_ = number + 1;
  }
  // The granules that named this slot were cleared before its version changes, and that before its
  // words do (add raises the version again after them): see find.
  std::atomic_thread_fence(release);
  Slot* s = slot(number);
  s->version.store(s->version.load(relaxed) + 1, relaxed);
  std::atomic_thread_fence(release);
  return number;
}

void CodeMap::give_back(uint32_t number) {
  slot(number)->nextFree = 0;
  if (freeTail_ == 0) {
    freeHead_ = number;
  } else {
    slot(freeTail_)->nextFree = number;
  }
  freeTail_ = number;
}

void CodeMap::remove_slot(uint32_t number) {
  epoch_.fetch_add(1, release);
  note_change();
  Slot* s = slot(number);
  uintptr_t start = s->start.load(relaxed);
  each_granule(start, start + s->lengthBytes.load(relaxed), [number](Granule& granule) {
    if (granule.load(relaxed) == number) granule.store(0, relaxed);
    return true;
  });
  give_back(number);
}

bool CodeMap::add(const CodeRange& range) {
  uintptr_t end = range.start + range.lengthBytes;
  if (range.lengthBytes == 0 || end < range.start || (end - 1) >> kAddressBits) return false;
  forget(range.start, end);
  // All tables first: a range is in the map whole or not at all.
  uintptr_t leafMask = kLeafSpanBytes - 1;
  for (uintptr_t at = range.start & ~leafMask; at < end; at += kLeafSpanBytes) {
    if (make_leaf(at) == nullptr) return false;
  }
  uint32_t number = take_slot();
  if (number == 0) return false;
  Slot* s = slot(number);
  s->start.store(range.start, relaxed);
  s->lengthBytes.store(range.lengthBytes, relaxed);
  s->id.store(range.id, relaxed);
  s->kind.store(range.kind, relaxed);
  s->tag.store(range.tag, relaxed);
  s->version.store(s->version.load(relaxed) + 1, release);
  each_granule(range.start, end, [number](Granule& granule) {
    granule.store(number, release);  // pairs with find
    return true;
  });
  return true;
}

uint32_t CodeMap::exact(uintptr_t start) const {
  Granule* granule = granule_of(start);
  uint32_t number = granule == nullptr ? 0 : granule->load(relaxed);
  return number != 0 && slot(number)->start.load(relaxed) == start ? number : 0;
}

bool CodeMap::move(uintptr_t from, uintptr_t to) {
  uint32_t number = exact(from);
  if (number == 0) return false;
  Slot* s = slot(number);
  // Read before add, which may take the slot away when the two places overlap.
  CodeRange moved{to, s->lengthBytes.load(relaxed), s->id.load(relaxed), s->kind.load(relaxed),
                  s->tag.load(relaxed)};
  return from == to || add(moved);
}

void CodeMap::remove(uintptr_t start) {
  uint32_t number = exact(start);
  if (number != 0) remove_slot(number);
}

void CodeMap::forget(uintptr_t low, uintptr_t high) {
  each_granule(low, high, [this, low, high](Granule& granule) {
    uint32_t number = granule.load(relaxed);
    if (number == 0) return true;
    Slot* s = slot(number);
    uintptr_t start = s->start.load(relaxed);
    // In one granule with [low, high), but not inside it: left alone.
    if (start < high && low < start + s->lengthBytes.load(relaxed)) remove_slot(number);
    return true;
  });
}

void CodeMap::hide(uintptr_t low, uintptr_t high) {
  epoch_.fetch_add(1, release);
  note_change();
  each_granule(low, high, [](Granule& granule) {
    if (granule.load(relaxed) != 0) granule.store(0, relaxed);
    return true;
  });
}

bool CodeMap::is_untouched(uintptr_t low, uintptr_t high) const {
  bool untouched = true;
  each_granule(low, high, [&untouched](Granule& granule) {
    untouched = granule.load(relaxed) == 0;
    return untouched;
  });
  return untouched;
}

}  // namespace mp::jit
