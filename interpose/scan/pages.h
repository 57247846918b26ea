// Which pages of a range hold anything: pages that nobody ever touched are not read (reading would make
// them), and neither are a file's pages that nobody wrote.
#ifndef MEMPROF_SCAN_PAGES_H
#define MEMPROF_SCAN_PAGES_H

#include "../base.h"
#include "../os/os.h"

namespace mp::scan {

class Pages {
 public:
  // After this, which may fail: then every page counts as one that holds something.
  void open();

  // Private memory. isFile: of a file's pages only those that were written.
  template <typename Visit>
  void each_run(uintptr_t low, uintptr_t high, bool isFile, Visit visit) {
    each(low, high, visit, [&](uintptr_t at, size_t count) { return ask_pagemap(at, count, isFile); });
  }
  // Shared memory, whose pages are known to the file, not to us.
  template <typename Visit>
  void each_shared_run(uintptr_t low, uintptr_t high, Visit visit) {
    each(low, high, visit, [&](uintptr_t at, size_t count) { return ask_mincore(at, count); });
  }

 private:
  static constexpr size_t kBatch = 4096;

  // Fills held_ for `count` pages; false: unknown.
  bool ask_pagemap(uintptr_t at, size_t count, bool isFile);
  bool ask_mincore(uintptr_t at, size_t count);

  template <typename Visit, typename Ask>
  void each(uintptr_t low, uintptr_t high, Visit visit, Ask ask) {
    uintptr_t runLow = low;
    bool isInRun = false;
    for (uintptr_t at = low & ~(os::kPageBytes - 1); at < high;) {
      size_t count = (round_up(high, os::kPageBytes) - at) / os::kPageBytes;
      if (count > kBatch) count = kBatch;
      bool isKnown = ask(at, count);
      for (size_t i = 0; i < count; ++i, at += os::kPageBytes) {
        bool isHeld = !isKnown || held_[i];
        if (isHeld && !isInRun) runLow = at > low ? at : low;
        if (!isHeld && isInRun) visit(runLow, at);
        isInRun = isHeld;
      }
    }
    if (isInRun) visit(runLow, high);
  }

  int descriptor_ = -1;
  bool held_[kBatch];
  uint64_t entries_[kBatch];
};

}  // namespace mp::scan

#endif
