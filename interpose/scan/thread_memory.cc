#include "thread_memory.h"

#include "../os/os.h"
#include "arenas.h"
#include "guard.h"

namespace mp::scan {
namespace {

// A leaf function may use so much below its stack pointer.
constexpr uintptr_t kRedZone = 128;
// struct pthread of glibc 2.17 to 2.41: 0x900 to 0xa00 bytes; it ends the stack's mapping.
constexpr uintptr_t kControlBytes = 0x900;
// Searched for the words that say where the stack is.
constexpr uintptr_t kSearchedBytes = 0x900;
constexpr uintptr_t kStackEndSlack = 64u << 10;

bool is_page(uintptr_t value) { return (value & (os::kPageBytes - 1)) == 0; }

// glibc keeps a thread's stack as two words in its control block: where the mapping begins (its guard
// included), and how large it is.
bool stack_of(uintptr_t controlBlock, uintptr_t* low, uintptr_t* high) {
  uint64_t before = 0;
  bool isFound = false;
  read_words(controlBlock, controlBlock + kSearchedBytes, [&](uintptr_t, uint64_t word) {
    if (!isFound && before != 0 && is_page(before) && is_page(word) && before < controlBlock &&
        word < (uint64_t{1} << 46) && before + word > controlBlock &&
        before + word - controlBlock <= kStackEndSlack && word >= os::kPageBytes) {
      *low = before;
      *high = before + word;
      isFound = true;
    }
    before = word;
  });
  return isFound;
}

struct OwnStack {
  uintptr_t low, high;  // high: where thread-local memory begins, or the end
};

bool own_stack(const Space& space, const StackUse& use, uintptr_t tlsLow, OwnStack* own) {
  if (use.isFirst) {
    const Mapping* mapping = mapping_of(space.mappings, space.mappingCount, os::initial_stack());
    if (mapping == nullptr) return false;
    *own = OwnStack{mapping->low, mapping->high};
    return true;
  }
  if (use.controlBlock == 0) return false;
  uintptr_t low = 0;
  uintptr_t high = 0;
  if (!stack_of(use.controlBlock, &low, &high)) {
    const Mapping* mapping = mapping_of(space.mappings, space.mappingCount, use.controlBlock);
    if (mapping == nullptr) return false;
    low = mapping->low;
  }
  *own = OwnStack{low, tlsLow};
  return true;
}

}  // namespace

void add_thread(const Space& space, const StackUse& use, const BlockIndex& blocks, const uint64_t* addresses,
                const uint64_t* sizes, Spans* roots, Spans* dead) {
  uintptr_t tlsLow = 0;
  if (use.controlBlock != 0) {
    const Mapping* mapping = mapping_of(space.mappings, space.mappingCount, use.controlBlock);
    if (mapping != nullptr) {
      tlsLow = use.controlBlock - space.tlsBelow;
      if (tlsLow < mapping->low || tlsLow > use.controlBlock) tlsLow = mapping->low;
      uintptr_t end = round_up(use.controlBlock + kControlBytes, os::kPageBytes);
      roots->add(tlsLow, end < mapping->high ? end : mapping->high, MP_REACH_TLS, use.tid);
    }
  }
  OwnStack own{};
  bool isKnown = own_stack(space, use, tlsLow, &own);
  if (isKnown && use.sp >= own.low && use.sp < own.high) {
    uintptr_t low = use.sp - kRedZone;
    roots->add(low, own.high, MP_REACH_STACK, use.tid);
    dead->add(own.low, low, kNoRoot, 0);
    return;
  }
  // Elsewhere: on a coroutine's or a signal's stack. Its own stack waits, and nobody knows where.
  if (isKnown) roots->add(own.low, own.high, MP_REACH_STACK, use.tid);
  if (use.sp == 0) return;
  uint32_t row = blocks.find(use.sp);
  if (row != kNoRow) {
    roots->add(use.sp - kRedZone, addresses[row] + sizes[row], MP_REACH_STACK, use.tid);
    return;
  }
  const Mapping* mapping = mapping_of(space.mappings, space.mappingCount, use.sp);
  if (mapping != nullptr) roots->add(use.sp - kRedZone, mapping->high, MP_REACH_STACK, use.tid);
}

namespace {

void add_if_ended(uintptr_t block, const LivingThreads& threads, Spans* dead, Spans* tables) {
  // A control block holds its own address twice.
  uint64_t word = 0;
  if (!read_word(block, &word) || word != block || !read_word(block + 16, &word) || word != block) return;
  for (size_t i = 0; i < threads.count; ++i) {
    if (threads.controlBlocks[i] == block) return;
  }
  if (threads.tidAt != 0 && read_word((block + threads.tidAt) & ~uintptr_t{7}, &word)) {
    auto tid = static_cast<uint32_t>((threads.tidAt & 4) != 0 ? word >> 32 : word);
    for (size_t i = 0; i < threads.count; ++i) {
      if (threads.tids[i] == tid) return;
    }
  }
  uintptr_t low = 0;
  uintptr_t high = 0;
  if (!stack_of(block, &low, &high)) return;
  dead->add(low, high, kNoRoot, 0);
  tables->add(block + 8, block + 16, MP_REACH_TLS, 0);
}

}  // namespace

void add_ended_stacks(const Space& space, uintptr_t placeInPage, const LivingThreads& threads, Spans* dead,
                      Spans* tables) {
  for (size_t i = 1; i < space.mappingCount; ++i) {
    const Mapping& mapping = space.mappings[i];
    const Mapping& guard = space.mappings[i - 1];
    // A stack stands on its guard.
    if (!mapping.canWrite || mapping.isShared || mapping.backing != Backing::kAnonymous || guard.canRead ||
        guard.high != mapping.low) {
      continue;
    }
    space.pages->each_run(mapping.low, mapping.high, false, [&](uintptr_t low, uintptr_t high) {
      for (uintptr_t page = low; page < high; page += os::kPageBytes)
        add_if_ended(page + placeInPage, threads, dead, tables);
    });
  }
}

uint32_t find_tid_place(uintptr_t controlBlock, uint32_t tid) {
  uint32_t place = 0;
  // Behind the header that the ABI fixes.
  constexpr uintptr_t kHeader = 0x2c0;
  read_words(controlBlock + kHeader, controlBlock + kSearchedBytes, [&](uintptr_t at, uint64_t word) {
    if (place != 0) return;
    if (static_cast<uint32_t>(word) == tid)
      place = static_cast<uint32_t>(at - controlBlock);
    else if (static_cast<uint32_t>(word >> 32) == tid)
      place = static_cast<uint32_t>(at - controlBlock) + 4;
  });
  return place;
}

void add_arenas(const Space& space, Spans* dead) {
  for (size_t i = 0; i < space.mappingCount; ++i) {
    each_arena_heap(space.mappings[i],
                    [&](const ArenaHeap& heap) { dead->add(heap.low, heap.high, kNoRoot, 0); });
  }
}

}  // namespace mp::scan
