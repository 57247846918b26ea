// Marks blocks: what a word points to, and what lies behind it. Each block is followed once, breadth first, so
// that the way from a root to a block is a short one.
#ifndef MEMPROF_SCAN_MARK_H
#define MEMPROF_SCAN_MARK_H

#include "../base.h"
#include "../wire.h"
#include "index.h"
#include "pages.h"

namespace mp::scan {

// The columns of the blocks' file (wire.h).
struct Columns {
  uint32_t count;
  const uint64_t* address;
  const uint64_t* size;
  const uint8_t* flags;
  uint8_t* reach;
  uint64_t* referrer;
  uint32_t* referrerBlock;
  uint32_t* inside;
  uint32_t* root;
  uint64_t* firstWord;
};

class Marker {
 public:
  // False: no memory, or the columns are not in order.
  bool prepare(const Columns& columns, Pages* pages);

  const BlockIndex& index() const { return index_; }
  uint64_t scanned_bytes() const { return scannedBytes_; }
  uint64_t skipped_bytes() const { return skippedBytes_; }
  void skip(uint64_t bytes) { skippedBytes_ += bytes; }

  // A JavaScript object holds the address.
  void hold_by_owner(uint64_t address, uint32_t ownerRow);
  // From what owners hold through all blocks but the runtime's.
  void follow_owned();

  // Words of [low, high) as roots. at: what stands in referrer is the word's address, or 0 for registers.
  void scan_root(uintptr_t low, uintptr_t high, uint32_t reach, uint32_t root, bool isRegister);
  // The same for glibc's own data, among them lists of chunks. A chunk begins with the last word of the block
  // before it, so its address would hold that block: where glibc's header says that the next chunk begins, no word
  // of glibc's counts.
  void scan_allocator_root(uintptr_t low, uintptr_t high, uint32_t reach, uint32_t root);
  void follow(uint32_t reach);

  // The word at `at` holds the C library's table for a thread that ended: it and what it points to are kept for
  // the next thread, but what the program left in them is not held.
  void hold_kept_table(uintptr_t at);

  // What the runtime's owned blocks lead to, and nothing else does. After all roots.
  void follow_runtime();
  // What memprof's own blocks hold of its own and of the runtime.
  void follow_ours();
  // All that is left, as valgrind does: in order of address each becomes a leader with what lies behind it.
  void find_lost();

 private:
  // Seen from an owned block, but the runtime's: a root may have it for itself.
  static constexpr uint8_t kDeferred = 0xff;

  bool is_unmarked(uint32_t row) const {
    return columns_.reach[row] == MP_REACH_UNKNOWN || columns_.reach[row] == kDeferred;
  }
  void set(uint32_t row, uint64_t word, uint32_t reach, uint64_t referrer, uint32_t holder, uint32_t root) {
    columns_.reach[row] = static_cast<uint8_t>(reach);
    columns_.referrer[row] = referrer;
    columns_.referrerBlock[row] = holder;
    uint64_t inside = word - columns_.address[row];
    columns_.inside[row] = inside > 0xffffffffu ? 0xffffffffu : static_cast<uint32_t>(inside);
    columns_.root[row] = root;
  }
  bool is_next_chunk(uint32_t row, uint64_t word) const;
  void push(uint32_t row) {
    queue_[tail_++] = row;
    if (MP_UNLIKELY(index_.is_nested())) hold_around(row);
  }
  // Who points to a pool's block points into the pool's memory.
  void hold_around(uint32_t row);
  template <typename Visit>
  void each_word(uint32_t row, Visit visit);
  template <typename Visit>
  void drain(Visit visit);

  Columns columns_{};
  BlockIndex index_;
  Pages* pages_ = nullptr;
  bool hasLowBlocks_ = false;  // below 4 GiB
  uint32_t* queue_ = nullptr;  // each block is pushed once
  uint32_t head_ = 0;
  uint32_t tail_ = 0;
  uint32_t* deferred_ = nullptr;
  uint32_t deferredCount_ = 0;
  uint64_t scannedBytes_ = 0;
  uint64_t skippedBytes_ = 0;
};

}  // namespace mp::scan

#endif
