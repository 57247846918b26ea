#include "quiet.h"

namespace mp::quiet {
namespace {

constexpr size_t kFirstSlots = 1u << 18;  // 2 MiB: Node's own objects are 80,000
constexpr size_t kMostSlots = 1u << 23;   // 64 MiB: beyond them events are recorded again

// Open addressing, a word a block: address << 8 | size. Removal closes the gap, so there are no graves.
struct Set {
  uint64_t* slots;
  size_t slotCount;
  size_t count;
  size_t lastStep;
  size_t at;  // take_left: where to look on
  bool isPaused;
};
__thread Set t_set __attribute__((tls_model("initial-exec")));

size_t home(const Set& set, uint64_t address) {
  return (address * UINT64_C(0x9e3779b97f4a7c15)) >> 32 & (set.slotCount - 1);
}

size_t place(const Set& set, uint64_t address) {
  size_t at = home(set, address);
  while (set.slots[at] != 0 && set.slots[at] >> 8 != address) at = (at + 1) & (set.slotCount - 1);
  return at;
}

bool grow(Set& set) {
  if (set.slotCount >= kMostSlots) return false;
  Set larger{static_cast<uint64_t*>(map_pages(set.slotCount * 2 * 8)),
             set.slotCount * 2,
             set.count,
             set.lastStep,
             0,
             false};
  if (larger.slots == nullptr) return false;
  for (size_t i = 0; i < set.slotCount; i++) {
    if (set.slots[i] != 0) larger.slots[place(larger, set.slots[i] >> 8)] = set.slots[i];
  }
  unmap_pages(set.slots, set.slotCount * 8);
  set = larger;
  return true;
}

void remove(Set& set, size_t hole) {
  size_t mask = set.slotCount - 1;
  for (size_t at = (hole + 1) & mask; set.slots[at] != 0; at = (at + 1) & mask) {
    // It may move into the hole if its home does not lie behind the hole.
    if (((at - home(set, set.slots[at] >> 8)) & mask) >= ((at - hole) & mask)) {
      set.slots[hole] = set.slots[at];
      hole = at;
    }
  }
  set.slots[hole] = 0;
  set.count--;
}

}  // namespace

bool open() {
  if (t_set.slots != nullptr) return false;
  auto* slots = static_cast<uint64_t*>(map_pages(kFirstSlots * 8));
  if (slots == nullptr) return false;
  t_set = Set{slots, kFirstSlots, 0, 0, 0, false};
  return true;
}

uint64_t step() {
  uint64_t now = t_set.count / MP_QUIET_STEP * MP_QUIET_STEP;
  if (now <= t_set.lastStep) return 0;
  t_set.lastStep = now;
  return now;
}
bool has_table() { return t_set.slots != nullptr; }
bool is_open() { return t_set.slots != nullptr && !t_set.isPaused; }
void pause(bool isPaused) { t_set.isPaused = isPaused; }

bool keep(void* block, size_t sizeBytes) {
  Set& set = t_set;
  if (set.slots == nullptr || block == nullptr || sizeBytes != kBlockBytes) return false;
  if (set.count * 2 >= set.slotCount && !grow(set)) return false;
  uint64_t address = reinterpret_cast<uint64_t>(block);
  uint64_t& slot = set.slots[place(set, address)];
  // Kept already: another thread freed it. That is why only small blocks are kept.
  if (slot == 0) set.count++;
  slot = address << 8 | sizeBytes;
  return true;
}

bool forget(void* block) {
  Set& set = t_set;
  if (set.slots == nullptr || block == nullptr) return false;
  size_t at = place(set, reinterpret_cast<uint64_t>(block));
  if (set.slots[at] == 0) return false;
  remove(set, at);
  return true;
}

bool take_left(Left* left) {
  Set& set = t_set;
  for (; set.at < set.slotCount; set.at++) {
    uint64_t word = set.slots[set.at];
    if (word == 0) continue;
    *left = Left{reinterpret_cast<void*>(word >> 8), static_cast<size_t>(word & 0xff)};
    remove(set, set.at);  // what moves into the gap is looked at next
    return true;
  }
  // A removal may have closed a gap across the end of the table.
  if (set.count == 0) return false;
  set.at = 0;
  return take_left(left);
}

void close() {
  if (t_set.slots != nullptr) unmap_pages(t_set.slots, t_set.slotCount * 8);
  t_set = Set{};
}

}  // namespace mp::quiet
