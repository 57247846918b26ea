#include "walk.h"

#include "../jit/jit.h"
#include "../modules/modules.h"
#include "../os/os.h"
#include "../ring/process.h"
#include "../stacks/table.h"
#include "recover.h"

namespace mp::unwind {

constexpr uint32_t kSets = 2048;
constexpr uint32_t kMemos = 512;
constexpr uint32_t kCodeRanges = 8;
constexpr uint32_t kMaxExtras = MP_MAX_FRAMES * 4;

enum RowFlags : uint8_t {
  kNoRow = 1,      // no rows and none to be recovered: the stack ends here
  kV8 = 2,         // V8's code: its frame may be a JavaScript one
  kRecovered = 4,  // found by reading the code: what it leads to is tested at every use
  kAfterCall = 8,  // a return address that follows a call instruction, in a module's code
};
// What the quick walk leaves to the general one.
constexpr uint8_t kNotQuick = kNoRow | kV8 | kRecovered;

// Two ways a set: with one, two hot addresses that collide cost a parse at every walk.
struct CachedRow {
  uintptr_t key;  // pc, with the top bit set for an interrupted instruction
  uint64_t frame;
  Row row;
  // The last answer of the stack table for this frame: it nearly always has the same caller.
  uint32_t parent;
  uint32_t node;
};
static_assert(sizeof(CachedRow) == 32);

// The same memory for frames whose value is not the row's own: JavaScript.
struct Memo {
  uint64_t frame;
  uint32_t parent;
  uint32_t node;
};

// A word that the walk read besides the return address and the saved rbp.
struct Extra {
  const uintptr_t* at;
  uintptr_t expected;
};

// A frame of a stack. Its pc was read at sp - 8, its rbp at rbpSlot; where the frame below left rbp
// alone, rbpSlot points to the copy in here, which is always equal to itself.
struct Frame {
  uintptr_t sp, pc, rbp;
  const uintptr_t* rbpSlot;
  uint32_t node;
  uint32_t extraEnd;  // extras of this frame and all towards the root
};

// What the walk finds out about a frame before the frames above it are known.
struct Fresh {
  Frame frame;
  uint64_t value;
  CachedRow* memo;  // nullptr: value is not the row's own
  uint32_t extraBegin, extraCount;
};

struct Buffers {
  CachedRow rows[kSets][2];
  Memo memos[kMemos];
  // The kept stack lies at the end of its array: [first, MP_MAX_FRAMES), leaf first.
  uint32_t first;
  Frame kept[MP_MAX_FRAMES];
  Fresh fresh[MP_MAX_FRAMES];
  Extra extras[kMaxExtras];  // of the kept stack, root first
  Extra freshExtras[kMaxExtras];
  Range code[kCodeRanges];  // mappings in no image that were found to hold code
  uint32_t codeNext;
  Scratch scratch;  // for reading code; its pages are untouched until then
};

namespace {

constexpr uint32_t kCountEvery = 1024;

void add_counts(Walker& walker) {
  count(&ProcessHeader::stackCount, walker.takenCount);
  count(&ProcessHeader::reusedFrames, walker.reusedCount);
  walker.takenCount = walker.reusedCount = 0;
}

constexpr uintptr_t kExact = UINT64_C(1) << 63;

// A frame's registers, as far as unwinding needs them.
struct Registers {
  uintptr_t pc, sp, rbp;
  bool exact;  // pc is the interrupted instruction, not a return address
};

// One walk in progress.
class Walk {
 public:
  Walk(Walker& walker, bool isSlow) : walker_(walker), buffers_(*walker.buffers), isSlow_(isSlow) {}
  // Goes on from a walk that was begun: `count` fresh frames are there, `registers` are those of the
  // next one, whose rbp was read at rbpSlot.
  uint32_t run(Registers registers, uint32_t count, const uintptr_t* rbpSlot, uint32_t extraCount);

 private:
  bool inside(uintptr_t address) const { return address >= low_ && address < high_ && (address & 7) == 0; }
  bool load(uintptr_t address, uintptr_t* value);
  bool load_extra(uintptr_t address, uintptr_t* value);
  bool enter_range(uintptr_t sp);
  bool may_join(const Registers& registers);
  bool verify(uint32_t joined);
  CachedRow* look_up(const Registers& registers);
  void describe(const Registers& registers, CachedRow* entry);
  bool recover(const Registers& registers, const modules::Module& module, Row* row);
  bool leads_to_call(const Registers& registers, const Row& row, Instruction* call, Code* code);
  bool is_call_in_v8(const Registers& registers);
  bool name_v8(const Registers& registers, Fresh* fresh);
  bool is_code(uintptr_t pc);
  bool is_process_entry(const Registers& registers) const;
  bool step(const Row& row, Registers* registers, const uintptr_t** rbpSlot);
  bool step_out_of_signal(Registers* registers);
  uint32_t not_recovered(uint32_t count);
  uint32_t finish(uint32_t root, uint32_t freshCount);

  Walker& walker_;
  Buffers& buffers_;
  const bool isSlow_;
  bool isOther_ = false;   // on a signal or coroutine stack
  bool keepable_ = true;   // the whole walk was on one stack and every word is remembered
  bool verified_ = false;  // kept frames [first_, end) were compared in this walk
  uintptr_t low_ = 0;      // words at [low_, high_) are readable
  uintptr_t high_ = 0;
  uintptr_t checkedPage_ = 0;
  uint32_t first_ = MP_MAX_FRAMES;  // kept frames that may still be met
  uint32_t extraCount_ = 0;
  CachedRow uncached_{};
};

bool Walk::enter_range(uintptr_t sp) {
  low_ = sp;
  if (MP_LIKELY(sp >= walker_.stack.low && sp < walker_.stack.high)) {
    high_ = walker_.stack.high;
    isOther_ = false;
    return true;
  }
  isOther_ = true;
  for (const Range& known : walker_.other) {
    if (sp >= known.low && sp < known.high && os::is_mapped(sp & ~(os::kPageBytes - 1))) {
      high_ = known.high;
      return true;
    }
  }
  Range found{};
  if (!os::readable_range(sp, &found.low, &found.high)) return false;
  // Its own stack, for the first time or deeper than before?
  for (uintptr_t end : {walker_.controlBlock, os::initial_stack()}) {
    if (end <= sp || end > found.high) continue;
    walker_.stack = Range{found.low, end};
    high_ = end;
    isOther_ = false;
    return true;
  }
  walker_.other[walker_.otherNext++ % kOtherStacks] = found;
  high_ = found.high;
  return true;
}

MP_INLINE bool Walk::load(uintptr_t address, uintptr_t* value) {
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

bool Walk::load_extra(uintptr_t address, uintptr_t* value) {
  if (!load(address, value)) return false;
  if (extraCount_ == kMaxExtras) {
    keepable_ = false;
  } else {
    buffers_.freshExtras[extraCount_++] = Extra{reinterpret_cast<const uintptr_t*>(address), *value};
  }
  return true;
}

MP_INLINE CachedRow* set_of(Buffers& buffers, uintptr_t key) {
  return buffers.rows[((key >> 1) ^ (key >> 12)) % kSets];
}

// Whether every word that led from this kept frame to the root is still what it was.
MP_INLINE bool holds(const Buffers& buffers, uint32_t joined) {
  const Frame* frame = buffers.kept + joined;
  const Extra* extra = buffers.extras;
  const Extra* extraEnd = extra + frame->extraEnd;
  // Without a branch a frame: nearly always all of them hold.
  uintptr_t difference = 0;
  for (++frame; frame != buffers.kept + MP_MAX_FRAMES; ++frame) {
    difference |= *reinterpret_cast<const uintptr_t*>(frame->sp - 8) ^ frame->pc;
    difference |= *frame->rbpSlot ^ frame->rbp;
  }
  for (; extra != extraEnd; ++extra) difference |= *extra->at ^ extra->expected;
  return difference == 0;
}

// Whether the walk now stands at a frame of the kept stack. Drops kept frames that it has passed.
MP_INLINE bool Walk::may_join(const Registers& registers) {
  const Frame* kept = buffers_.kept;
  while (first_ < MP_MAX_FRAMES && kept[first_].sp < registers.sp) ++first_;
  if (first_ == MP_MAX_FRAMES) return false;
  const Frame& candidate = kept[first_];
  return candidate.sp == registers.sp && candidate.pc == registers.pc && candidate.rbp == registers.rbp;
}

// The words from the joined frame to the root, compared from the root. What holds stays; the rest is
// dropped.
MP_INLINE bool Walk::verify(uint32_t joined) {
  const Frame* kept = buffers_.kept;
  const Frame* frame = kept + MP_MAX_FRAMES - 1;
  const Frame* end = kept + joined;
  for (; frame != end; --frame) {
    if (*reinterpret_cast<const uintptr_t*>(frame->sp - 8) != frame->pc || *frame->rbpSlot != frame->rbp)
      break;
  }
  auto valid = static_cast<uint32_t>(frame - kept) + (frame == end ? 0 : 1);
  const Extra* extra = buffers_.extras;
  if (valid < MP_MAX_FRAMES) {
    const Extra* extraEnd = extra + kept[valid].extraEnd;
    while (extra != extraEnd && *extra->at == extra->expected) ++extra;
    if (MP_UNLIKELY(extra != extraEnd)) {
      auto broken = static_cast<uint32_t>(extra - buffers_.extras);
      while (valid < MP_MAX_FRAMES && kept[valid].extraEnd > broken) ++valid;
    }
  }
  first_ = valid;
  return valid == joined;
}

bool follows_call(uintptr_t pc) {
  const auto* code = reinterpret_cast<const uint8_t*>(pc);
  if (code[-5] == 0xe8) return true;  // call rel32
  // call r/m64: FF /2 with every length that its operand can have.
  for (int length = 2; length <= 7; ++length) {
    if (code[-length] == 0xff && (code[1 - length] & 0x38) == 0x10) return true;
  }
  return false;
}

// A return address that no call left there: the first instruction of a function, put on a new stack
// by hand, as makecontext does. The stack ends here; what lies above is no frame.
bool is_planted(const Table& table, const modules::Module& module, uintptr_t pc) {
  if (pc - module.low <= 8 || follows_call(pc)) return false;
  bool found = false;
  uintptr_t start = 0;
  find_row(table, pc, &found, &start);
  return found && start == pc;
}

// Whether the row finds a return address that follows a call, in a module's code.
bool Walk::leads_to_call(const Registers& registers, const Row& row, Instruction* call, Code* code) {
  Registers next = registers;
  const uintptr_t* slot = nullptr;
  const uint32_t extras = extraCount_;
  bool stepped = step(row, &next, &slot);
  extraCount_ = extras;
  if (!stepped || (next.sp & 15) != 0) return false;
  const modules::Module* module = modules::find(next.pc - 1);
  if (module == nullptr) return false;
  *code = Code{module->codeLow, module->codeHigh};
  *call = call_before(*code, next.pc);
  return call->op != Op::kBad;
}

// The function that a call names, through the stub that the linker put between. 0: not known.
uintptr_t function_called(const Instruction& call, const Code& code) {
  if (call.op == Op::kCallAway) return 0;
  uintptr_t word = 0;
  if (call.op == Op::kCallMemory) {
    word = static_cast<uintptr_t>(call.value);
  } else {
    auto target = static_cast<uintptr_t>(call.value);
    if (!code.holds(target)) return 0;
    // endbr64, then the jump, as a stub has it.
    Instruction first = read_instruction(target, code.high);
    if (first.op == Op::kPlain) first = read_instruction(target + first.length, code.high);
    if (first.op != Op::kJumpMemory) return target;
    word = static_cast<uintptr_t>(first.value);
  }
  const modules::Module* module = modules::find(word);
  if (module == nullptr || (word & 7) != 0) return 0;
  for (size_t i = 0; i < 2; ++i) {
    if (word >= module->dataLow[i] && word + 8 <= module->dataHigh[i])
      return *reinterpret_cast<const uintptr_t*>(word);
  }
  return 0;
}

// A row read out of the code. Where the code allows more than one, the call that the word found
// belongs to has to prove one of them and no other.
bool Walk::recover(const Registers& registers, const modules::Module& module, Row* row) {
  Code code{module.codeLow, module.codeHigh};
  if (!code.holds(registers.pc)) return false;
  Scratch& scratch = buffers_.scratch;
  uint32_t count = read_rows(scratch, code, registers.pc);
  if (count == 0 || count > kRowChoices) return false;
  uint32_t provenCount = 0;
  uint32_t likelyCount = 0;
  Row likely{};
  for (uint32_t i = 0; i < count; ++i) {
    Row choice = scratch.rows[i];
    const int32_t frameAt = scratch.frameAt[i];
    if (frameAt != 0 && registers.rbp != registers.sp + static_cast<uintptr_t>(frameAt)) continue;
    Instruction call;
    Code callCode;
    if (!leads_to_call(registers, choice, &call, &callCode)) continue;
    uintptr_t function = function_called(call, callCode);
    Proof proof =
        code.holds(function) ? prove_row(scratch, code, function, registers.pc, choice) : Proof::kUnknown;
    if (proof == Proof::kRefuted) continue;
    if (proof == Proof::kProven && provenCount++ == 0) *row = choice;
    if (proof == Proof::kUnknown) {
      ++likelyCount;
      likely = choice;
    }
  }
  if (provenCount == 1) return true;
  if (provenCount > 1 || count != 1 || likelyCount != 1) return false;
  *row = likely;
  return true;
}

// What is known about a pc that the cache does not hold. key 0: not to be kept.
MP_NOINLINE void Walk::describe(const Registers& registers, CachedRow* entry) {
  count(&ProcessHeader::rowMissCount);
  *entry = CachedRow{};
  uintptr_t lookup = registers.exact ? registers.pc : ReturnAddress{registers.pc}.lookup();
  const modules::Module* module = modules::find(lookup);
  if (module == nullptr) {
    // Code that somebody else made at run time: whether it keeps frame pointers, nobody knows.
    entry->row.cfa = modules::has_v8() ? Cfa::kChain : Cfa::kNone;
    entry->row.flags = kV8;
    return;
  }
  entry->key = registers.pc | (registers.exact ? kExact : 0);
  uint32_t kind = registers.exact ? MP_FRAME_NATIVE_PC : MP_FRAME_NATIVE;
  entry->frame =
      stacks::encode(kind, static_cast<uint64_t>(module->id) << 40 | (registers.pc - module->base));
  bool found = false;
  Table table{module->ehFrameHeader, module->end, module->low};
  entry->row = find_row(table, lookup, &found);
  if (!registers.exact && entry->row.cfa != Cfa::kSignal && is_planted(table, *module, registers.pc)) {
    entry->row.cfa = Cfa::kEnd;
  } else if (!found) {
    entry->row.cfa = module->keepsFramePointers ? Cfa::kChain : Cfa::kNone;
    entry->row.flags = module->keepsFramePointers ? kV8 : kNoRow;
  }
  if (registers.exact) return;
  if (entry->row.flags == kNoRow) {
    uint64_t known = static_cast<uint64_t>(module->id) << 40 | (registers.pc - module->base);
    Row row{};
    if (!known_row(known, &row)) {
      // What cannot be recovered once never can: a row is a property of the code.
      row = entry->row;
      if (recover(registers, *module, &row)) row.flags = kRecovered;
      keep_row(known, row);
    }
    entry->row = row;
    if (row.flags == kRecovered) entry->frame = stacks::encode(MP_FRAME_NATIVE_RECOVERED, known);
  }
  if (call_before(Code{module->codeLow, module->codeHigh}, registers.pc).op != Op::kBad)
    entry->row.flags |= kAfterCall;
}

// A return address in V8's code that is in no image.
bool Walk::is_call_in_v8(const Registers& registers) {
  return modules::find(registers.pc - 1) == nullptr && jit::frame(registers.pc, 0) != 0 &&
         follows_call(registers.pc);
}

MP_INLINE CachedRow* Walk::look_up(const Registers& registers) {
  uintptr_t key = registers.pc | (registers.exact ? kExact : 0);
  CachedRow* set = set_of(buffers_, key);
  if (MP_LIKELY(!isSlow_)) {
    if (MP_LIKELY(set[0].key == key)) return &set[0];
    if (MP_LIKELY(set[1].key == key)) return &set[1];
  }
  describe(registers, &uncached_);
  if (isSlow_ || uncached_.key == 0) return &uncached_;
  // The older of the two goes; which one that is, nobody kept: the one whose turn it is will do.
  CachedRow* victim = &set[set[0].key == 0 ? 0 : set[1].key == 0 ? 1 : walker_.victim++ & 1];
  *victim = uncached_;
  return victim;
}

// Whether an address in no image can be one of code at all.
bool Walk::is_code(uintptr_t pc) {
  for (const Range& range : buffers_.code) {
    if (pc >= range.low && pc < range.high) return true;
  }
  Range found{};
  if (!os::executable_range(pc, &found.low, &found.high)) return false;
  buffers_.code[buffers_.codeNext++ % kCodeRanges] = found;
  return true;
}

// V8's code: the frame is what the code map says of it, and of the words that identify it.
MP_NOINLINE bool Walk::name_v8(const Registers& registers, Fresh* fresh) {
  uintptr_t fp = registers.rbp;
  bool readable = inside(fp - 0x30) && inside(fp + 8);
  uint64_t named = jit::frame(registers.pc, readable ? fp : 0);
  if (named != 0) {
    fresh->value = named;
    fresh->memo = nullptr;
    uint64_t kind = named >> 60;
    bool isBytecode = kind == MP_FRAME_JS_BYTECODE ||
                      (kind != MP_FRAME_JS_CODE && jit::is_interpreter_trampoline(registers.pc));
    if (isBytecode && readable) {
      uintptr_t word;
      load_extra(fp - 8, &word);
      load_extra(fp - 0x20, &word);
      load_extra(fp - 0x28, &word);
    }
    return true;
  }
  if (fresh->value != 0) return true;  // in an image: its offset names it
  if (!is_code(registers.pc)) return false;
  fresh->memo = nullptr;
  uint64_t address = registers.pc & ((UINT64_C(1) << 48) - 1);
  if (modules::has_v8()) {
    fresh->value = stacks::encode(MP_FRAME_V8_UNNAMED, address);
  } else {
    fresh->value = stacks::encode(MP_FRAME_UNKNOWN, address);
  }
  return true;
}

// The loader's own first code has no rows. Its frame is the process's first: it stands where the
// kernel put the arguments.
bool Walk::is_process_entry(const Registers& registers) const {
  uintptr_t entry = os::initial_stack();
  return entry != 0 && registers.sp <= entry && entry - registers.sp <= 64;
}

bool Walk::step_out_of_signal(Registers* registers) {
  // ucontext_t on x86-64: flags, link and stack take 40 bytes, then the general registers.
  constexpr uintptr_t kGeneral = 40;
  uintptr_t context = registers->sp;
  Registers next{};
  if (!load(context + kGeneral + 10 * 8, &next.rbp) || !load(context + kGeneral + 15 * 8, &next.sp) ||
      !load(context + kGeneral + 16 * 8, &next.pc)) {
    return false;
  }
  next.exact = true;
  keepable_ = false;
  *registers = next;
  return enter_range(next.sp);
}

// To the caller's registers. False: a rule or a word that cannot be right.
MP_INLINE bool Walk::step(const Row& row, Registers* registers, const uintptr_t** rbpSlot) {
  uintptr_t cfa;
  if (MP_LIKELY(row.cfa == Cfa::kRsp)) {
    cfa = registers->sp + static_cast<intptr_t>(row.cfaOffset);
  } else if (row.cfa == Cfa::kRbp) {
    cfa = registers->rbp + static_cast<intptr_t>(row.cfaOffset);
  } else if (row.cfa == Cfa::kChain) {
    // Its rbp lies in its frame. In V8's deoptimizer it does not: the frame is gone from the stack.
    if (MP_UNLIKELY(registers->rbp < registers->sp)) return false;
    cfa = registers->rbp + 16;
  } else if (row.cfa == Cfa::kAtRbp) {
    if (!load_extra(registers->rbp + static_cast<intptr_t>(row.cfaOffset), &cfa)) return false;
  } else {
    return false;
  }
  // Frames lie one above the other.
  if (MP_UNLIKELY(cfa <= registers->sp)) return false;
  uintptr_t pc;
  if (MP_UNLIKELY(!load(cfa - 8, &pc))) return false;
  *rbpSlot = nullptr;
  if (row.cfa == Cfa::kChain) {
    *rbpSlot = reinterpret_cast<const uintptr_t*>(registers->rbp);
  } else if (row.rbp == Rbp::kAtCfa) {
    *rbpSlot = reinterpret_cast<const uintptr_t*>(cfa + static_cast<intptr_t>(row.rbpOffset));
  } else if (row.rbp == Rbp::kAtRbp) {
    *rbpSlot = reinterpret_cast<const uintptr_t*>(registers->rbp + static_cast<intptr_t>(row.rbpOffset));
  }
  if (*rbpSlot != nullptr && MP_UNLIKELY(!load(reinterpret_cast<uintptr_t>(*rbpSlot), &registers->rbp)))
    return false;
  registers->pc = pc;
  registers->sp = cfa;
  registers->exact = false;
  return true;
}

MP_INLINE uint32_t intern(Buffers& buffers, uint32_t parent, const Fresh& fresh) {
  CachedRow* row = fresh.memo;
  if (MP_LIKELY(row != nullptr)) {
    // frame: the row may have been evicted since, by a frame further up.
    if (MP_LIKELY(row->frame == fresh.value && row->parent == parent && row->node != 0)) return row->node;
    uint32_t node = stacks::intern(parent, fresh.value);
    if (row->frame == fresh.value) {
      row->parent = parent;
      row->node = node;
    }
    return node;
  }
  Memo& memo = buffers.memos[((fresh.value >> 32) * 31 + fresh.value * 7 + parent) % kMemos];
  if (MP_LIKELY(memo.frame == fresh.value && memo.parent == parent)) return memo.node;
  memo = Memo{fresh.value, parent, stacks::intern(parent, fresh.value)};
  return memo.node;
}

// The fresh frames, last first, go before the kept one at `first` (MP_MAX_FRAMES: none). Gives the
// leaf's node.
MP_INLINE uint32_t keep_fresh(Buffers& buffers, uint32_t first, uint32_t node, uint32_t freshCount) {
  uint32_t extras = first == MP_MAX_FRAMES ? 0 : buffers.kept[first].extraEnd;
  for (uint32_t i = freshCount; i-- > 0;) {
    const Fresh& fresh = buffers.fresh[i];
    node = intern(buffers, node, fresh);
    for (uint32_t e = 0; e < fresh.extraCount; ++e)
      buffers.extras[extras++] = buffers.freshExtras[fresh.extraBegin + e];
    Frame& frame = buffers.kept[--first];
    frame.sp = fresh.frame.sp;
    frame.pc = fresh.frame.pc;
    frame.rbp = fresh.frame.rbp;
    frame.rbpSlot = fresh.frame.rbpSlot != nullptr ? fresh.frame.rbpSlot : &frame.rbp;
    frame.node = node;
    frame.extraEnd = extras;
  }
  buffers.first = first;
  return node;
}

MP_INLINE uint32_t join(Buffers& buffers, uint32_t first, uint32_t freshCount) {
  return keep_fresh(buffers, first, buffers.kept[first].node, freshCount);
}

// Interns the fresh frames above `root` and keeps the stack for the next walk, if it can be kept.
uint32_t Walk::finish(uint32_t root, uint32_t freshCount) {
  uint32_t extras = first_ == MP_MAX_FRAMES ? 0 : buffers_.kept[first_].extraEnd;
  if (keepable_ && !isSlow_ && first_ >= freshCount && extras + extraCount_ <= kMaxExtras) {
    return keep_fresh(buffers_, first_, root, freshCount);
  }
  uint32_t node = root;
  for (uint32_t i = freshCount; i-- > 0;) node = intern(buffers_, node, buffers_.fresh[i]);
  if (!isSlow_) buffers_.first = MP_MAX_FRAMES;
  return node;
}

// The last frame's row led to nothing that can be its caller: it stays a frame, and the stack ends.
MP_NOINLINE uint32_t Walk::not_recovered(uint32_t count) {
  Fresh& last = buffers_.fresh[count - 1];
  last.value = stacks::encode(MP_FRAME_NATIVE, last.value & ((UINT64_C(1) << 60) - 1));
  last.memo = nullptr;
  first_ = MP_MAX_FRAMES;
  keepable_ = false;
  return MP_MARKER_BROKEN;
}

MP_NOINLINE uint32_t Walk::run(Registers registers, uint32_t count, const uintptr_t* rbpSlot,
                               uint32_t extraCount) {
  if (MP_UNLIKELY(!enter_range(registers.sp))) return MP_MARKER_NOT_TAKEN;
  if (MP_UNLIKELY(isOther_)) keepable_ = false;
  first_ = keepable_ && !isSlow_ ? buffers_.first : MP_MAX_FRAMES;
  extraCount_ = extraCount;
  uint32_t root = 0;
  const uint32_t maxFrames = g_process.maxFrames;
  bool byReading = false;  // the step to this frame was made by a recovered row
  for (;;) {
    if (may_join(registers) && (verified_ || verify(first_))) {
      root = buffers_.kept[first_].node;
      if (MP_LIKELY(MP_MAX_FRAMES - first_ + count <= maxFrames)) break;
      // Deeper than allowed with what was kept: the limit counts from the leaf, so walk it all.
      first_ = MP_MAX_FRAMES;
    } else if (MP_UNLIKELY(count == maxFrames)) {
      root = MP_MARKER_CUT;
      mp::count(&ProcessHeader::cutStacks);
      keepable_ = false;
      first_ = MP_MAX_FRAMES;
      break;
    }
    verified_ = verified_ || first_ == MP_MAX_FRAMES;
    CachedRow* row = look_up(registers);
    if (MP_UNLIKELY(byReading) && (row->row.flags & kAfterCall) == 0 && !is_call_in_v8(registers)) {
      root = not_recovered(count);
      break;
    }
    Fresh& fresh = buffers_.fresh[count++];
    fresh.frame.sp = registers.sp;
    fresh.frame.pc = registers.pc;
    fresh.frame.rbp = registers.rbp;
    fresh.frame.rbpSlot = rbpSlot;
    fresh.value = row->frame;
    fresh.memo = row == &uncached_ ? nullptr : row;
    fresh.extraBegin = extraCount_;
    fresh.extraCount = 0;
    if (MP_UNLIKELY(row->row.flags & kV8) && MP_UNLIKELY(!name_v8(registers, &fresh))) {
      // V8's deoptimizer has taken the frame below apart: what it left leads to no code.
      --count;
      first_ = MP_MAX_FRAMES;
      root = MP_MARKER_BROKEN;
      keepable_ = false;
      break;
    }
    if (MP_UNLIKELY(row->row.cfa == Cfa::kEnd ||
                    ((row->row.flags & kNoRow) != 0 && is_process_entry(registers)))) {
      first_ = MP_MAX_FRAMES;
      root = walker_.root;
      break;
    }
    bool stepped;
    if (MP_UNLIKELY(row->row.cfa == Cfa::kSignal)) {
      stepped = step_out_of_signal(&registers);
      rbpSlot = nullptr;
      first_ = MP_MAX_FRAMES;
    } else {
      stepped = step(row->row, &registers, &rbpSlot);
    }
    fresh.extraCount = extraCount_ - fresh.extraBegin;
    byReading = (row->row.flags & kRecovered) != 0;
    if (MP_UNLIKELY(byReading) && (!stepped || (registers.sp & 15) != 0 || registers.pc == 0)) {
      root = not_recovered(count);
      break;
    }
    if (MP_UNLIKELY(!stepped || registers.pc == 0)) {
      // A return address of 0 is the other way to end a thread's first frame.
      first_ = MP_MAX_FRAMES;
      root = stepped ? walker_.root : static_cast<uint32_t>(MP_MARKER_BROKEN);
      if (!stepped) keepable_ = false;
      break;
    }
  }
  walker_.reusedCount += MP_MAX_FRAMES - first_;
  if (MP_UNLIKELY(++walker_.takenCount == kCountEvery)) add_counts(walker_);
  return finish(root, count);
}

Registers registers_of(Entry entry) {
  const auto* frame = reinterpret_cast<const uintptr_t*>(entry.framePointer);
  return Registers{frame[1], entry.framePointer + 16, frame[0], false};
}

// The common walk: on the thread's own stack, through cached rows, until a frame of the kept stack.
// Whatever else comes is left to Walk::run, which goes on from there. Everything is in locals: this
// loop is most of what recording costs.
MP_INLINE uint32_t walk(Walker& walker, Entry entry) {
  Buffers& buffers = *walker.buffers;
  const auto* own = reinterpret_cast<const uintptr_t*>(entry.framePointer);
  uintptr_t pc = own[1];
  uintptr_t rbp = own[0];
  uintptr_t sp = entry.framePointer + 16;
  const uintptr_t low = sp;
  const uintptr_t high = walker.stack.high;
  const uintptr_t* rbpSlot = nullptr;
  uint32_t count = 0;
  uint32_t first = buffers.first;
  if (MP_LIKELY(sp >= walker.stack.low && sp < high)) {
    while (first < MP_MAX_FRAMES) {
      while (buffers.kept[first].sp < sp) {
        if (++first == MP_MAX_FRAMES) break;
      }
      if (MP_UNLIKELY(first == MP_MAX_FRAMES)) break;
      const Frame& candidate = buffers.kept[first];
      if (candidate.sp == sp && candidate.pc == pc && candidate.rbp == rbp) {
        if (MP_UNLIKELY(MP_MAX_FRAMES - first + count > g_process.maxFrames)) break;
        if (MP_UNLIKELY(!holds(buffers, first))) break;
        walker.reusedCount += MP_MAX_FRAMES - first;
        if (MP_UNLIKELY(++walker.takenCount == kCountEvery)) add_counts(walker);
        return join(buffers, first, count);
      }
      CachedRow* set = set_of(buffers, pc);
      CachedRow* row = set[0].key == pc ? &set[0] : &set[1];
      if (MP_UNLIKELY(row->key != pc || (row->row.flags & kNotQuick) != 0 || count == g_process.maxFrames))
        break;
      uintptr_t cfa;
      if (MP_LIKELY(row->row.cfa == Cfa::kRsp)) {
        cfa = sp + static_cast<intptr_t>(row->row.cfaOffset);
      } else if (MP_LIKELY(row->row.cfa == Cfa::kRbp)) {
        cfa = rbp + static_cast<intptr_t>(row->row.cfaOffset);
      } else {
        break;
      }
      // One test for both ends: low <= sp < cfa, and cfa <= high.
      if (MP_UNLIKELY(cfa - sp - 1 >= high - sp || (cfa & 7) != 0)) break;
      Fresh& fresh = buffers.fresh[count];
      fresh.frame.sp = sp;
      fresh.frame.pc = pc;
      fresh.frame.rbp = rbp;
      fresh.frame.rbpSlot = rbpSlot;
      fresh.value = row->frame;
      fresh.memo = row;
      fresh.extraBegin = 0;
      fresh.extraCount = 0;
      if (row->row.rbp == Rbp::kAtCfa) {
        uintptr_t slot = cfa + static_cast<intptr_t>(row->row.rbpOffset);
        if (MP_UNLIKELY(slot < low || slot >= high || (slot & 7) != 0)) break;
        rbpSlot = reinterpret_cast<const uintptr_t*>(slot);
        rbp = *rbpSlot;
      } else if (MP_LIKELY(row->row.rbp == Rbp::kSame)) {
        rbpSlot = nullptr;
      } else {
        break;
      }
      ++count;
      pc = *reinterpret_cast<const uintptr_t*>(cfa - 8);
      sp = cfa;
      if (MP_UNLIKELY(pc == 0)) {
        // Left to the general walk, which tells an end from a broken stack: from the last frame.
        --count;
        pc = fresh.frame.pc;
        sp = fresh.frame.sp;
        rbp = fresh.frame.rbp;
        rbpSlot = fresh.frame.rbpSlot;
        break;
      }
    }
  }
  return Walk(walker, false).run(Registers{pc, sp, rbp, false}, count, rbpSlot, 0);
}

void drop_rows(Walker& walker) {
  memset(walker.buffers->rows, 0, sizeof walker.buffers->rows);
  memset(walker.buffers->code, 0, sizeof walker.buffers->code);
  walker.buffers->first = MP_MAX_FRAMES;
}

}  // namespace

bool prepare(Walker& walker) {
  walker.buffers = static_cast<Buffers*>(map_pages(sizeof(Buffers)));
  if (walker.buffers == nullptr) return false;
  walker.buffers->first = MP_MAX_FRAMES;
  return true;
}

void release(Walker& walker) {
  unmap_pages(walker.buffers, sizeof(Buffers));
  walker.buffers = nullptr;
}

void forget(Walker& walker) {
  add_counts(walker);
  walker.buffers->first = MP_MAX_FRAMES;
  memset(walker.other, 0, sizeof walker.other);
}

void begin_thread(Walker& walker, uintptr_t controlBlock) {
  forget(walker);
  // The C library gives a new thread the stack of an old one: what was known of it holds, if it is
  // still there.
  bool isSame = controlBlock == walker.controlBlock && walker.stack.high == controlBlock;
  if (!isSame || !os::is_mapped(walker.stack.low & ~(os::kPageBytes - 1))) walker.stack = Range{0, 0};
  walker.controlBlock = controlBlock;
  walker.root = 0;
}

void set_queued_from(Walker& walker, uint32_t stack) {
  uint32_t root = stack == 0 ? 0 : stacks::intern(stack, stacks::encode_marker(MP_MARKER_QUEUED));
  if (root == walker.root) return;
  walker.root = root;
  walker.buffers->first = MP_MAX_FRAMES;
}

uint32_t take(Walker& walker, Entry entry) {
  uint32_t generation = modules::generation();
  if (MP_UNLIKELY(generation != walker.generation)) {
    walker.generation = generation;
    drop_rows(walker);
  }
  uint32_t epoch = jit::epoch();
  if (MP_UNLIKELY(epoch != walker.codeEpoch)) {
    walker.codeEpoch = epoch;
    walker.buffers->first = MP_MAX_FRAMES;
  }
  return walk(walker, entry);
}

uint32_t take_slowly(Walker& walker, Entry entry) {
  return Walk(walker, true).run(registers_of(entry), 0, nullptr, 0);
}

}  // namespace mp::unwind
