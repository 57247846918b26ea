// The stack that a walk stands on: which of its words may be read, and the step from a frame to its
// caller. For this folder only.
#ifndef MEMPROF_UNWIND_VIEW_H
#define MEMPROF_UNWIND_VIEW_H

#include "../os/os.h"
#include "buffers.h"

namespace mp::unwind {

class View {
 public:
  // From here the words at [sp, end of its stack) are readable. False: nobody knows what this is.
  bool enter(Walker& walker, uintptr_t sp);
  // On a signal or coroutine stack.
  bool is_other() const { return isOther_; }

  bool inside(uintptr_t address) const { return address >= low_ && address < high_ && (address & 7) == 0; }

  MP_INLINE bool load(uintptr_t address, uintptr_t* value) {
    if (MP_UNLIKELY(!inside(address))) return false;
    if (MP_UNLIKELY(isOther_)) {
      // A mapping that was found once may have shrunk since.
      uintptr_t page = address & ~(os::kPageBytes - 1);
      if (page != checkedPage_ && !os::is_mapped(page)) return false;
      checkedPage_ = page;
    }
    *value = *reinterpret_cast<const uintptr_t*>(address);
    return true;
  }

 private:
  bool isOther_ = false;
  uintptr_t low_ = 0;
  uintptr_t high_ = 0;
  uintptr_t checkedPage_ = 0;
};

// Where a step read besides the return address; nullptr: not read.
struct Slots {
  const uintptr_t* rbp;
  const uintptr_t* cfa;
};

// To the caller's registers. False: a rule or a word that cannot be right.
MP_INLINE bool step(View& view, const Row& row, Registers* registers, Slots* slots) {
  uintptr_t cfa;
  *slots = Slots{nullptr, nullptr};
  if (MP_LIKELY(row.cfa == Cfa::kRsp)) {
    cfa = registers->sp + static_cast<intptr_t>(row.cfaOffset);
  } else if (row.cfa == Cfa::kRbp) {
    cfa = registers->rbp + static_cast<intptr_t>(row.cfaOffset);
  } else if (row.cfa == Cfa::kChain) {
    // Its rbp lies in its frame. In V8's deoptimizer it does not: the frame is gone from the stack.
    if (MP_UNLIKELY(registers->rbp < registers->sp)) return false;
    cfa = registers->rbp + 16;
  } else if (row.cfa == Cfa::kAtRbp) {
    uintptr_t at = registers->rbp + static_cast<intptr_t>(row.cfaOffset);
    if (!view.load(at, &cfa)) return false;
    slots->cfa = reinterpret_cast<const uintptr_t*>(at);
  } else {
    return false;
  }
  // Frames lie one above the other.
  if (MP_UNLIKELY(cfa <= registers->sp)) return false;
  uintptr_t pc;
  if (MP_UNLIKELY(!view.load(cfa - 8, &pc))) return false;
  if (row.cfa == Cfa::kChain) {
    slots->rbp = reinterpret_cast<const uintptr_t*>(registers->rbp);
  } else if (row.rbp == Rbp::kAtCfa) {
    slots->rbp = reinterpret_cast<const uintptr_t*>(cfa + static_cast<intptr_t>(row.rbpOffset));
  } else if (row.rbp == Rbp::kAtRbp) {
    slots->rbp = reinterpret_cast<const uintptr_t*>(registers->rbp + static_cast<intptr_t>(row.rbpOffset));
  }
  if (slots->rbp != nullptr &&
      MP_UNLIKELY(!view.load(reinterpret_cast<uintptr_t>(slots->rbp), &registers->rbp)))
    return false;
  registers->pc = pc;
  registers->sp = cfa;
  registers->exact = false;
  return true;
}

// From a signal frame to what was interrupted, which may stand on another stack.
bool step_out_of_signal(View& view, Walker& walker, Registers* registers);

}  // namespace mp::unwind

#endif
