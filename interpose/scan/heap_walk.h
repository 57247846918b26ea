// What one of glibc's heaps consists of, chunk by chunk, as its headers say. For the scanner's copy, in which nothing
// moves; reads with guard.h. A heap whose headers make no sense ends there, and says so.
#ifndef MEMPROF_SCAN_HEAP_WALK_H
#define MEMPROF_SCAN_HEAP_WALK_H

#include "../base.h"
#include "../wire.h"
#include "index.h"

namespace mp::scan {

// Which pages of a range are there: bits as in PageRange.
struct PageBits {
  uintptr_t low, high;
  const uint64_t* bits;

  bool is_there(uintptr_t address) const {
    uintptr_t page = (address - low) / MP_PAGE;
    return address >= low && address < high && (bits[page / 64] >> (page % 64) & 1) != 0;
  }
  // Of [from, to), the bytes on pages that are there.
  uint64_t resident(uintptr_t from, uintptr_t to) const;
};

// The live blocks as the reader gave them.
struct LiveBlocks {
  const BlockIndex* index;
  const uint64_t* addresses;
  const uint64_t* sizes;
  const uint8_t* flags;  // MP_BLOCK_*; nullptr: none has any
  bool is_pools(uint32_t row) const { return flags != nullptr && (flags[row] & MP_BLOCK_POOL) != 0; }
  // The row of malloc's block that begins at the address; kNoRow: none does. A pool's may begin there, too: behind it.
  uint32_t at(uintptr_t address) const {
    uint32_t row = index->find(address);
    while (row != kNoRow && addresses[row] == address && is_pools(row)) row = row == 0 ? kNoRow : row - 1;
    return row != kNoRow && addresses[row] == address ? row : kNoRow;
  }
};

// What tells a chunk that a thread keeps (tcache) from one in use.
struct TcacheKeys {
  static constexpr size_t kMaxTables = 4096;
  uint64_t key;  // since glibc 2.34: a random number, one a process; 0: not known
  size_t tableCount;
  uintptr_t tables[kMaxTables];  // before: the address of the thread's table
  bool has(uint64_t word) const;
};

struct Heap {
  uintptr_t low, high;  // as mapped and writable
  uintptr_t firstChunk;
  uintptr_t arena;  // malloc_state
  uintptr_t top;    // of the arena; may lie in another heap
  bool isMain;
};

// Learns keys from the tables that lie in this heap.
void learn_tcache(const Heap& heap, TcacheKeys* keys);

// Fills the row. pages: of a range that holds the heap. glibcMinor: of version 2.x.
void walk_heap(const Heap& heap, const LiveBlocks& live, const PageBits& pages, const TcacheKeys& keys,
               uint32_t glibcMinor, HeapRow* row);

// Where malloc_state has what (glibc 2.27 to 2.41).
constexpr uintptr_t kStateBytes = 0x898;
constexpr uintptr_t kStateFast = 0x10;
constexpr uintptr_t kStateTop = 0x60;
constexpr uint32_t kFastBins = 10;

}  // namespace mp::scan

#endif
