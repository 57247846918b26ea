#include "view.h"

namespace mp::unwind {

bool View::enter(Walker& walker, uintptr_t sp) {
  low_ = sp;
  if (MP_LIKELY(sp >= walker.stack.low && sp < walker.stack.high)) {
    high_ = walker.stack.high;
    isOther_ = false;
    return true;
  }
  isOther_ = true;
  for (const Range& known : walker.other) {
    if (sp >= known.low && sp < known.high && os::is_mapped(sp & ~(os::kPageBytes - 1))) {
      high_ = known.high;
      return true;
    }
  }
  Range found{};
  if (!os::readable_range(sp, &found.low, &found.high)) return false;
  // Its own stack, for the first time or deeper than before?
  for (uintptr_t end : {walker.controlBlock, os::initial_stack()}) {
    if (end <= sp || end > found.high) continue;
    walker.stack = Range{found.low, end};
    high_ = end;
    isOther_ = false;
    return true;
  }
  walker.other[walker.otherNext++ % kOtherStacks] = found;
  high_ = found.high;
  return true;
}

bool step_out_of_signal(View& view, Walker& walker, Registers* registers) {
  // ucontext_t on x86-64: flags, link and stack take 40 bytes, then the general registers.
  constexpr uintptr_t kGeneral = 40;
  uintptr_t context = registers->sp;
  Registers next{};
  if (!view.load(context + kGeneral + 10 * 8, &next.rbp) ||
      !view.load(context + kGeneral + 15 * 8, &next.sp) ||
      !view.load(context + kGeneral + 16 * 8, &next.pc)) {
    return false;
  }
  next.exact = true;
  *registers = next;
  return view.enter(walker, next.sp);
}

}  // namespace mp::unwind
