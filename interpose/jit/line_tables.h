// The line tables that V8 announces while it compiles, from their first entry until the code object
// that they belong to is announced. Knows nothing of V8's API: jit.cc feeds it.
//
// V8 announces a table before its code object, by the address at which the code will start; a big
// script may have thousands of tables waiting, and a collection may move their code meanwhile.
#ifndef MEMPROF_JIT_LINE_TABLES_H
#define MEMPROF_JIT_LINE_TABLES_H

#include <stddef.h>
#include <stdint.h>

#include "../base.h"

namespace mp::jit {

// One function's: entry i holds from its offset up to the next entry's.
struct LineTable {
  struct Entry {
    uint32_t offset;    // in the code
    uint32_t position;  // in the script's source, in UTF-16 units
  };

  uintptr_t codeStart;
  LineTable* next;
  Entry* entries;
  size_t mappedBytes;  // of entries; 0: they lie behind this struct, in its page
  uint32_t capacity;
  uint32_t count;
  bool isCut;  // some entry did not fit: the table is worth nothing

  // Room for as many positions as there are entries.
  uint32_t* scratch() { return reinterpret_cast<uint32_t*>(entries + capacity); }
};

// Static storage only: zero-initialized is empty. Any thread.
class LineTables {
 public:
  // nullptr: no memory. Whoever began a table ends it.
  LineTable* begin();
  // Only the thread that began it. Entries whose offset falls are left out.
  static void add(LineTable* table, size_t offset, size_t position);
  void end(LineTable* table, uintptr_t codeStart);
  // The code of a waiting table has moved.
  void move(uintptr_t from, uintptr_t to);
  // The table of the code that starts here, if one waits; the caller gives it back.
  LineTable* take(uintptr_t codeStart);
  void give_back(LineTable* table);

  void after_fork_child() { lock_.reset(); }

 private:
  static constexpr uint32_t kBucketBits = 10;
  // Tables whose code is never announced (a compilation that failed) wait for ever: no more than these.
  static constexpr uint32_t kMostWaiting = 1u << 16;

  LineTable** bucket(uintptr_t codeStart) {
    return &waiting_[(codeStart * 0x9e3779b97f4a7c15u) >> (64 - kBucketBits)];
  }
  LineTable* unlink(uintptr_t codeStart);
  void link(LineTable* table);

  SpinLock lock_;
  LineTable* free_;
  LineTable* waiting_[1u << kBucketBits];
  uint32_t waitingCount_;
};

// What of a table crosses to the reader, in records of limited size (wire.h: MP_META_CODE_LINES).
//
// A line number costs a call into V8, so lines come in runs: positions on one line are as far apart
// as their columns.
struct LinePlace {
  int line;    // from 1
  int column;  // from 1
};
struct LineSink {
  void* context;
  // False: V8 does not know. nullptr: nobody to ask; only offsets and positions are sent.
  bool (*place)(void* context, uint32_t position, LinePlace* found);
  void (*publish)(void* context, uint32_t entryCount, uint32_t runCount, const uint8_t* bytes,
                  size_t byteCount);
};
void publish_table(LineTable* table, const LineSink& sink);

}  // namespace mp::jit

#endif
