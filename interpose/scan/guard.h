// Reading memory that may not be readable: each page is tried first, and passed over if it faults. For a process
// of one thread whose mappings stay what they are: the scanner.
#ifndef MEMPROF_SCAN_GUARD_H
#define MEMPROF_SCAN_GUARD_H

#include "../base.h"
#include "../os/os.h"

namespace mp::scan {

// From now on SIGSEGV and SIGBUS are ours. Anywhere but in can_read they end the process.
void guard_reads();

// pre: guard_reads().
bool can_read(uintptr_t address);

// Calls visit(address, word) for each whole aligned word in [low, high). Returns how many bytes could not be
// read.
template <typename Visit>
MP_INLINE uint64_t read_words(uintptr_t low, uintptr_t high, Visit visit) {
  constexpr uintptr_t kWord = sizeof(uint64_t);
  uint64_t skipped = 0;
  for (uintptr_t at = round_up(low, kWord); at < high;) {
    uintptr_t pageEnd = (at & ~(os::kPageBytes - 1)) + os::kPageBytes;
    uintptr_t end = pageEnd < high ? pageEnd : high;
    if (MP_LIKELY(can_read(at))) {
      for (; at + kWord <= end; at += kWord) visit(at, *reinterpret_cast<const uint64_t*>(at));
    } else {
      skipped += end - at;
    }
    at = end;
  }
  return skipped;
}

// One aligned word; false: it cannot be read.
inline bool read_word(uintptr_t address, uint64_t* value) {
  if ((address & 7) != 0 || !can_read(address)) return false;
  *value = *reinterpret_cast<const uint64_t*>(address);
  return true;
}

}  // namespace mp::scan

#endif
