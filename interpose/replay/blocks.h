// The live blocks of a replay by serial. Memory grows with the most that were live at once.
#ifndef MEMPROF_REPLAY_BLOCKS_H
#define MEMPROF_REPLAY_BLOCKS_H

#include "own.h"

namespace replay {

struct Block {
  char* memory;
  uint64_t bytes;
};

// Open addressing, filled up to three quarters; a removal closes the gap.
class Blocks {
 public:
  constexpr explicit Blocks(OwnMemory& own) : own_(own) {}
  Blocks(const Blocks&) = delete;
  Blocks& operator=(const Blocks&) = delete;

  // Once, before anything else.
  void open() { slots_ = map(kFirstSlots); }

  void add(uint64_t serial, Block block) {
    if (count_ >= slotCount_ / 4 * 3) grow();
    slots_[place(serial)] = Slot{serial + 1, block};
    ++count_;
  }

  // False: there is none.
  bool take(uint64_t serial, Block* block) {
    size_t at = place(serial);
    if (slots_[at].key == 0) return false;
    *block = slots_[at].block;
    remove(at);
    --count_;
    return true;
  }

  size_t count() const { return count_; }

 private:
  static constexpr size_t kFirstSlots = 1u << 12;
  struct Slot {
    uint64_t key;  // serial + 1; 0: free
    Block block;
  };

  Slot* map(size_t slotCount) {
    slotCount_ = slotCount;
    return static_cast<Slot*>(
        own_.map(slotCount * sizeof(Slot), "no memory for the replay's list of live blocks"));
  }

  size_t home(uint64_t key) const { return (key * UINT64_C(0x9e3779b97f4a7c15)) >> 32 & (slotCount_ - 1); }

  size_t place(uint64_t serial) const {
    size_t at = home(serial + 1);
    while (slots_[at].key != 0 && slots_[at].key != serial + 1) at = (at + 1) & (slotCount_ - 1);
    return at;
  }

  void remove(size_t hole) {
    size_t mask = slotCount_ - 1;
    for (size_t at = (hole + 1) & mask; slots_[at].key != 0; at = (at + 1) & mask) {
      // It may move into the hole if its home does not lie behind the hole.
      if (((at - home(slots_[at].key)) & mask) < ((at - hole) & mask)) continue;
      slots_[hole] = slots_[at];
      hole = at;
    }
    slots_[hole].key = 0;
  }

  void grow() {
    Slot* old = slots_;
    size_t oldCount = slotCount_;
    slots_ = map(oldCount * 2);
    for (size_t i = 0; i < oldCount; ++i) {
      if (old[i].key != 0) slots_[place(old[i].key - 1)] = old[i];
    }
    own_.unmap(old, oldCount * sizeof(Slot));
  }

  OwnMemory& own_;
  Slot* slots_ = nullptr;
  size_t slotCount_ = 0;
  size_t count_ = 0;
};

}  // namespace replay

#endif
