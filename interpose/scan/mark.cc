#include "mark.h"

#include "guard.h"

namespace mp::scan {

namespace {

// Of a block this large the kernel is asked which pages were ever touched.
constexpr uint64_t kLargeBytes = 256u << 10;

// glib's GHashTable keeps pointers in 32 bits as long as all of them fit, and in a program that is not
// position-independent, as Node is, the heap lies so low. Only a block's very start counts: a number that looks like
// that is rare.
template <typename Visit>
void each_half(uint64_t word, Visit visit) {
  visit(word & 0xffffffff, 0);
  visit(word >> 32, 4);
}

}  // namespace

bool Marker::prepare(const Columns& columns, Pages* pages) {
  columns_ = columns;
  pages_ = pages;
  hasLowBlocks_ = columns.count != 0 && columns.address[0] < (uint64_t{1} << 32);
  size_t bytes = (size_t{columns.count} + 1) * sizeof(uint32_t);
  queue_ = static_cast<uint32_t*>(map_pages(bytes));
  deferred_ = static_cast<uint32_t*>(map_pages(bytes));
  return queue_ != nullptr && deferred_ != nullptr &&
         index_.build(columns.address, columns.size, columns.count, columns.flags);
}

template <typename Visit>
void Marker::each_word(uint32_t row, Visit visit) {
  uintptr_t low = columns_.address[row];
  const uintptr_t high = low + columns_.size[row];
  auto read = [&](uintptr_t from, uintptr_t to) {
    scannedBytes_ += to - from;
    skippedBytes_ += read_words(from, to, visit);
  };
  auto part = [&](uintptr_t from, uintptr_t to) {
    if (to - from >= kLargeBytes)
      pages_->each_run(from, to, false, read);
    else
      read(from, to);
  };
  // What a pool has handed out is not its container's: it speaks for itself.
  if (MP_UNLIKELY(index_.is_nested())) {
    for (uint32_t inner = row + 1; inner < columns_.count && columns_.address[inner] < high; ++inner) {
      const uintptr_t begin = columns_.address[inner];
      if (begin > low) part(low, begin);
      if (begin + columns_.size[inner] > low) low = begin + columns_.size[inner];
    }
  }
  if (low < high) part(low, high);
}

template <typename Visit>
void Marker::drain(Visit visit) {
  while (head_ < tail_) {
    uint32_t holder = queue_[head_++];
    const bool mayHoldHalves = hasLowBlocks_ && (columns_.flags[holder] & MP_BLOCK_RUNTIME) == 0;
    each_word(holder, [&](uintptr_t at, uint64_t word) {
      uint32_t row = index_.find(word);
      if (MP_UNLIKELY(row != kNoRow))
        visit(row, word, at, holder);
      else if (mayHoldHalves)
        each_half(word, [&](uint64_t half, uintptr_t offset) {
          uint32_t found = index_.find(half);
          if (found != kNoRow && columns_.address[found] == half) visit(found, half, at + offset, holder);
        });
    });
  }
}

void Marker::hold_around(uint32_t row) {
  const uint64_t word = columns_.address[row] + columns_.inside[row];
  for (uint32_t around = index_.parent(row); around != kNoRow && is_unmarked(around);
       around = index_.parent(around)) {
    set(around, word, columns_.reach[row], columns_.referrer[row], columns_.referrerBlock[row],
        columns_.root[row]);
    queue_[tail_++] = around;
  }
}

void Marker::hold_by_owner(uint64_t address, uint32_t ownerRow) {
  uint32_t row = index_.find(address);
  if (row == kNoRow || !is_unmarked(row)) return;
  set(row, address, MP_REACH_OWNER, 0, kNoRow, ownerRow);
  // The runtime's is followed later, ours never for the program's sake.
  if ((columns_.flags[row] & MP_BLOCK_OURS) != 0) return;
  if ((columns_.flags[row] & MP_BLOCK_RUNTIME) != 0)
    deferred_[deferredCount_++] = row;
  else
    push(row);
}

void Marker::follow_owned() {
  drain([&](uint32_t row, uint64_t word, uintptr_t at, uint32_t holder) {
    if (columns_.reach[row] != MP_REACH_UNKNOWN) return;
    bool isPlain = (columns_.flags[row] & (MP_BLOCK_RUNTIME | MP_BLOCK_OURS)) == 0;
    set(row, word, isPlain ? uint32_t{MP_REACH_OWNER} : kDeferred, at, holder, columns_.root[holder]);
    if (isPlain)
      push(row);
    else
      deferred_[deferredCount_++] = row;
  });
}

void Marker::scan_root(uintptr_t low, uintptr_t high, uint32_t reach, uint32_t root, bool isRegister) {
  scannedBytes_ += high - low;
  skippedBytes_ += read_words(low, high, [&](uintptr_t at, uint64_t word) {
    uint32_t row = index_.find(word);
    if (MP_LIKELY(row == kNoRow) || !is_unmarked(row)) return;
    set(row, word, reach, isRegister ? 0 : at, kNoRow, root);
    push(row);
  });
}

bool Marker::is_next_chunk(uint32_t row, uint64_t word) const {
  uint64_t start = columns_.address[index_.outermost(row)];
  uint64_t size = 0;
  // The size of the whole chunk, with three flags, stands before the block; the chunk begins 16 bytes before it.
  return read_word(start - 8, &size) && word == start - 16 + (size & ~uint64_t{7});
}

void Marker::scan_allocator_root(uintptr_t low, uintptr_t high, uint32_t reach, uint32_t root) {
  scannedBytes_ += high - low;
  skippedBytes_ += read_words(low, high, [&](uintptr_t at, uint64_t word) {
    uint32_t row = index_.find(word);
    if (MP_LIKELY(row == kNoRow) || !is_unmarked(row) || is_next_chunk(row, word)) return;
    set(row, word, reach, at, kNoRow, root);
    push(row);
  });
}

void Marker::follow(uint32_t reach) {
  drain([&](uint32_t row, uint64_t word, uintptr_t at, uint32_t holder) {
    if (!is_unmarked(row) || (columns_.flags[holder] & MP_BLOCK_OURS) != 0) return;
    set(row, word, reach, at, holder, columns_.root[holder]);
    push(row);
  });
}

void Marker::hold_kept_table(uintptr_t at) {
  uint64_t word = 0;
  uint32_t table = read_word(at, &word) ? index_.find(word) : kNoRow;
  if (table == kNoRow || !is_unmarked(table)) return;
  set(table, word, MP_REACH_TLS, at, kNoRow, kNoRow);
  each_word(table, [&](uintptr_t place, uint64_t each) {
    uint32_t row = index_.find(each);
    if (row != kNoRow && is_unmarked(row)) set(row, each, MP_REACH_TLS, place, table, kNoRow);
  });
}

void Marker::follow_runtime() {
  for (uint32_t i = 0; i < deferredCount_; ++i) {
    uint32_t row = deferred_[i];
    if (columns_.reach[row] == kDeferred) columns_.reach[row] = MP_REACH_OWNER;
    // A root that reached it meanwhile has followed it already.
    if (columns_.reach[row] == MP_REACH_OWNER) push(row);
  }
  deferredCount_ = 0;
  follow(MP_REACH_OWNER);
}

void Marker::follow_ours() {
  for (uint32_t row = 0; row < columns_.count; ++row) {
    if ((columns_.flags[row] & MP_BLOCK_OURS) == 0) continue;
    each_word(row, [&](uintptr_t at, uint64_t word) {
      uint32_t found = index_.find(word);
      if (found == kNoRow || found == row || !is_unmarked(found)) return;
      if ((columns_.flags[found] & (MP_BLOCK_OURS | MP_BLOCK_RUNTIME)) == 0) return;
      set(found, word, MP_REACH_MAPPING, at, row, kNoRow);
      if ((columns_.flags[found] & MP_BLOCK_OURS) == 0) push(found);
    });
    follow(MP_REACH_MAPPING);
  }
}

void Marker::find_lost() {
  for (uint32_t leader = 0; leader < columns_.count; ++leader) {
    if (columns_.reach[leader] != MP_REACH_UNKNOWN) continue;
    set(leader, columns_.address[leader], MP_REACH_LOST, 0, kNoRow, kNoRow);
    if ((columns_.flags[leader] & MP_BLOCK_OURS) != 0) continue;
    push(leader);
    drain([&](uint32_t row, uint64_t word, uintptr_t at, uint32_t holder) {
      if (row == leader || row == holder) return;
      uint8_t reach = columns_.reach[row];
      if (reach != MP_REACH_UNKNOWN && reach != MP_REACH_LOST) return;
      set(row, word, MP_REACH_LOST_INDIRECT, at, holder, kNoRow);
      // An earlier leader was followed when it was one.
      if (reach == MP_REACH_UNKNOWN) push(row);
    });
  }
}

}  // namespace mp::scan
