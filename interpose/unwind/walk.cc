#include "walk.h"

#include "../jit/jit.h"
#include "../modules/modules.h"
#include "../ring/process.h"
#include "../stacks/table.h"

#include "../os/os.h"

namespace mp::unwind {

constexpr uint32_t kSets = 2048;
constexpr uint32_t kMaxProofs = MP_MAX_FRAMES * 4;

enum RowFlags : uint8_t {
  kGap = 1,         // a chain step through code that may not keep frame pointers
  kV8 = 2,          // V8's code: its frame may be a JavaScript one
  kUncached = 4,
};

struct CachedRow {
  uintptr_t key;  // pc, with the top bit set for an interrupted instruction
  uint64_t frame;
  Row row;
  uint32_t pad;
};
static_assert(sizeof(CachedRow) == 32);

struct Proof {
  const uintptr_t* at;
  uintptr_t expected;
};

// A frame of the kept stack, root first.
struct KeptFrame {
  uintptr_t sp, pc, rbp;
  uint32_t node;
  uint32_t proofEnd;  // proofs[0, proofEnd) hold: this frame and all towards the root are as they were
};

struct NewFrame {
  uintptr_t sp, pc, rbp;
  uint64_t frame;
  uint32_t proofBegin, proofCount;
  bool gapAbove;  // towards the root
};

struct Buffers {
  CachedRow rows[kSets][2];
  uint32_t keptCount;
  uint32_t newProofCount;
  KeptFrame kept[MP_MAX_FRAMES];
  Proof proofs[kMaxProofs];
  NewFrame fresh[MP_MAX_FRAMES];
  Proof freshProofs[kMaxProofs];
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
  uint32_t run(Registers registers);

 private:
  bool inside(uintptr_t address) const {
    return address >= range_.low && address + 8 <= range_.high && (address & 7) == 0;
  }
  bool load(uintptr_t address, uintptr_t* value);
  bool enter_range(uintptr_t sp);
  bool load_proven(uintptr_t address, uintptr_t* value);
  void prove(uintptr_t address, uintptr_t value);
  bool try_join(const Registers& registers);
  CachedRow look_up(const Registers& registers);
  CachedRow describe(const Registers& registers);
  void name_v8(const Registers& registers, CachedRow* entry);
  bool step(const Row& row, Registers* registers);
  bool step_out_of_signal(Registers* registers);
  bool is_process_entry(const Registers& registers) const;
  uint32_t finish(uint32_t root, uint32_t freshCount);

  Walker& walker_;
  Buffers& buffers_;
  bool isSlow_;
  bool isOther_ = false;    // on a signal or coroutine stack
  bool keepable_ = true;    // the whole walk was on one stack and its words were all proven
  bool proven_ = false;     // kept frames [0, top_) were compared in this walk
  uintptr_t checkedPage_ = 0;
  Range range_{0, 0};
  uint32_t top_ = 0;        // kept frames that may still be met
  uint32_t proofCount_ = 0;
};

bool Walk::enter_range(uintptr_t sp) {
  if (sp >= walker_.stack.low && sp < walker_.stack.high) {
    range_ = Range{sp, walker_.stack.high};
    isOther_ = false;
    return true;
  }
  isOther_ = true;
  for (const Range& known : walker_.other) {
    if (sp >= known.low && sp < known.high && os::is_mapped(sp & ~(os::kPageBytes - 1))) {
      range_ = Range{sp, known.high};
      return true;
    }
  }
  Range found{};
  if (!os::readable_range(sp, &found.low, &found.high)) return false;
  walker_.other[walker_.otherNext++ % kOtherStacks] = found;
  range_ = Range{sp, found.high};
  return true;
}

bool Walk::load(uintptr_t address, uintptr_t* value) {
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

void Walk::prove(uintptr_t address, uintptr_t value) {
  if (proofCount_ == kMaxProofs) {
    keepable_ = false;
    return;
  }
  buffers_.freshProofs[proofCount_++] = Proof{reinterpret_cast<const uintptr_t*>(address), value};
}

bool Walk::load_proven(uintptr_t address, uintptr_t* value) {
  if (!load(address, value)) return false;
  prove(address, *value);
  return true;
}

// Whether the kept stack goes on from here. Drops kept frames that cannot be met any more.
MP_INLINE bool Walk::try_join(const Registers& registers) {
  const KeptFrame* kept = buffers_.kept;
  while (top_ > 0 && kept[top_ - 1].sp < registers.sp) --top_;
  if (top_ == 0) return false;
  const KeptFrame& candidate = kept[top_ - 1];
  if (candidate.sp != registers.sp || candidate.pc != registers.pc || candidate.rbp != registers.rbp) return false;
  if (registers.exact) return false;
  if (proven_) return true;
  proven_ = true;
  const Proof* proof = buffers_.proofs;
  const Proof* end = proof + candidate.proofEnd;
  while (proof != end && *proof->at == proof->expected) ++proof;
  if (MP_LIKELY(proof == end)) return true;
  auto broken = static_cast<uint32_t>(proof - buffers_.proofs);
  while (top_ > 0 && kept[top_ - 1].proofEnd > broken) --top_;
  return false;
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

// What is known about a pc that the cache does not hold.
MP_NOINLINE CachedRow Walk::describe(const Registers& registers) {
  count(&ProcessHeader::rowMissCount);
  CachedRow entry{};
  entry.key = registers.pc | (registers.exact ? kExact : 0);
  uintptr_t lookup = registers.exact ? registers.pc : ReturnAddress{registers.pc}.lookup();
  const modules::Module* module = modules::find(lookup);
  if (module == nullptr) {
    entry.row.cfa = Cfa::kChain;
    entry.row.flags = kUncached | kV8;
    return entry;
  }
  uint32_t kind = registers.exact ? MP_FRAME_NATIVE_PC : MP_FRAME_NATIVE;
  entry.frame = stacks::encode(kind, static_cast<uint64_t>(module->id) << 40 | (registers.pc - module->base));
  bool found = false;
  Table table{module->ehFrameHeader, module->end, module->low};
  entry.row = find_row(table, lookup, &found);
  if (!registers.exact && entry.row.cfa != Cfa::kSignal && is_planted(table, *module, registers.pc)) {
    entry.row.cfa = Cfa::kEnd;
    return entry;
  }
  if (!found) {
    entry.row.cfa = Cfa::kChain;
    entry.row.flags = module->keepsFramePointers ? kV8 : kGap;
  }
  return entry;
}

MP_INLINE CachedRow Walk::look_up(const Registers& registers) {
  uintptr_t key = registers.pc | (registers.exact ? kExact : 0);
  CachedRow* set = buffers_.rows[((key >> 1) ^ (key >> 12)) % kSets];
  if (MP_LIKELY(!isSlow_)) {
    if (MP_LIKELY(set[0].key == key)) return set[0];
    if (set[1].key == key) {
      CachedRow hit = set[1];
      set[1] = set[0];
      set[0] = hit;
      return hit;
    }
  }
  CachedRow entry = describe(registers);
  if (!isSlow_ && (entry.row.flags & kUncached) == 0) {
    set[1] = set[0];
    set[0] = entry;
  }
  return entry;
}

// V8's code: the frame is what the code map says of it, and of the words that identify it.
void Walk::name_v8(const Registers& registers, CachedRow* entry) {
  uintptr_t fp = registers.rbp;
  bool readable = inside(fp - 0x30) && inside(fp + 8);
  uint64_t named = jit::frame(registers.pc, readable ? fp : 0);
  if (named != 0) {
    entry->frame = named;
    if (readable && jit::is_interpreter_trampoline(registers.pc)) {
      uintptr_t word;
      load_proven(fp - 8, &word);
      load_proven(fp - 0x20, &word);
      load_proven(fp - 0x28, &word);
    }
    return;
  }
  if (entry->frame != 0) return;  // in an image: its offset names it
  if (modules::has_v8()) {
    entry->frame = stacks::encode(MP_FRAME_V8_UNNAMED, registers.pc & ((UINT64_C(1) << 48) - 1));
  } else {
    entry->frame = stacks::encode(MP_FRAME_UNKNOWN, registers.pc & ((UINT64_C(1) << 48) - 1));
    entry->row.flags |= kGap;
  }
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
MP_INLINE bool Walk::step(const Row& row, Registers* registers) {
  uintptr_t cfa;
  switch (row.cfa) {
    case Cfa::kRsp:
      cfa = registers->sp + static_cast<intptr_t>(row.cfaOffset);
      break;
    case Cfa::kRbp:
      cfa = registers->rbp + static_cast<intptr_t>(row.cfaOffset);
      break;
    case Cfa::kAtRbp:
      if (!load_proven(registers->rbp + static_cast<intptr_t>(row.cfaOffset), &cfa)) return false;
      break;
    case Cfa::kChain:
      cfa = registers->rbp + 16;
      break;
    default:
      return false;
  }
  // Frames lie one above the other; sp itself may stand still only where it was not yet moved.
  if (cfa <= registers->sp) return false;
  Registers next{0, cfa, registers->rbp, false};
  if (!load_proven(cfa - 8, &next.pc)) return false;
  if (row.cfa == Cfa::kChain) {
    if (!load_proven(registers->rbp, &next.rbp)) return false;
  } else if (row.rbp == Rbp::kAtCfa) {
    if (!load_proven(cfa + static_cast<intptr_t>(row.rbpOffset), &next.rbp)) return false;
  } else if (row.rbp == Rbp::kAtRbp) {
    if (!load_proven(registers->rbp + static_cast<intptr_t>(row.rbpOffset), &next.rbp)) return false;
  }
  *registers = next;
  return true;
}

// Interns the fresh frames above `root` and keeps the stack for the next walk.
uint32_t Walk::finish(uint32_t root, uint32_t freshCount) {
  uint32_t node = root;
  uint32_t proofs = top_ == 0 ? 0 : buffers_.kept[top_ - 1].proofEnd;
  bool keep = keepable_ && !isSlow_ && top_ + freshCount <= MP_MAX_FRAMES && proofs + proofCount_ <= kMaxProofs;
  for (uint32_t i = freshCount; i-- > 0;) {
    const NewFrame& fresh = buffers_.fresh[i];
    if (fresh.gapAbove) node = stacks::intern(node, stacks::encode_marker(MP_MARKER_GAP));
    node = stacks::intern(node, fresh.frame);
    if (!keep) continue;
    const Proof* from = buffers_.freshProofs + fresh.proofBegin;
    for (uint32_t p = 0; p < fresh.proofCount; ++p) buffers_.proofs[proofs++] = from[p];
    buffers_.kept[top_++] = KeptFrame{fresh.sp, fresh.pc, fresh.rbp, node, proofs};
  }
  if (!isSlow_) buffers_.keptCount = keep ? top_ : 0;
  return node;
}

uint32_t Walk::run(Registers registers) {
  if (MP_UNLIKELY(!enter_range(registers.sp))) return MP_MARKER_NOT_TAKEN;
  if (isOther_) keepable_ = false;
  top_ = keepable_ && !isSlow_ ? buffers_.keptCount : 0;
  uint32_t count = 0;
  uint32_t root = 0;
  const uint32_t maxFrames = g_process.maxFrames;
  for (;;) {
    if (try_join(registers)) {
      const KeptFrame& joined = buffers_.kept[top_ - 1];
      root = joined.node;
      if (MP_UNLIKELY(top_ + count > maxFrames)) {
        // Deeper than allowed with what was kept: the limit counts from the leaf, so walk it all.
        top_ = 0;
        proven_ = true;
      } else {
        break;
      }
    }
    if (MP_UNLIKELY(count == maxFrames)) {
      root = MP_MARKER_CUT;
      mp::count(&ProcessHeader::cutStacks);
      keepable_ = false;
      top_ = 0;
      break;
    }
    NewFrame& fresh = buffers_.fresh[count];
    fresh.sp = registers.sp;
    fresh.pc = registers.pc;
    fresh.rbp = registers.rbp;
    fresh.proofBegin = proofCount_;
    CachedRow entry = look_up(registers);
    if (entry.row.flags & kV8) name_v8(registers, &entry);
    fresh.frame = entry.frame;
    fresh.gapAbove = (entry.row.flags & kGap) != 0;
    ++count;
    if (entry.row.cfa == Cfa::kEnd || (MP_UNLIKELY(fresh.gapAbove) && is_process_entry(registers))) {
      fresh.gapAbove = false;
      fresh.proofCount = 0;
      root = 0;
      top_ = 0;
      break;
    }
    bool stepped;
    if (MP_UNLIKELY(entry.row.cfa == Cfa::kSignal)) {
      stepped = step_out_of_signal(&registers);
      top_ = 0;
    } else {
      stepped = step(entry.row, &registers);
    }
    fresh.proofCount = proofCount_ - fresh.proofBegin;
    if (stepped && fresh.gapAbove) {
      const modules::Module* next = modules::find(registers.pc - 1);
      stepped = next != nullptr && registers.pc - next->low > 8 && follows_call(registers.pc);
    }
    if (MP_UNLIKELY(!stepped || registers.pc == 0)) {
      // A return address of 0 is the other way to end a thread's first frame.
      bool atEnd = stepped && registers.pc == 0 && !fresh.gapAbove;
      fresh.gapAbove = false;
      root = atEnd ? 0 : MP_MARKER_BROKEN;
      top_ = 0;
      if (!atEnd) keepable_ = false;
      break;
    }
  }
  walker_.reusedCount += top_;
  if (MP_UNLIKELY(++walker_.takenCount == kCountEvery)) add_counts(walker_);
  return finish(root, count);
}

uint32_t start(Walker& walker, Entry entry, bool isSlow) {
  const auto* frame = reinterpret_cast<const uintptr_t*>(entry.framePointer);
  Registers registers{frame[1], entry.framePointer + 16, frame[0], false};
  return Walk(walker, isSlow).run(registers);
}

void drop_rows(Walker& walker) {
  memset(walker.buffers->rows, 0, sizeof walker.buffers->rows);
  walker.buffers->keptCount = 0;
}

}  // namespace

bool prepare(Walker& walker) {
  walker.buffers = static_cast<Buffers*>(map_pages(sizeof(Buffers)));
  return walker.buffers != nullptr;
}

void release(Walker& walker) {
  unmap_pages(walker.buffers, sizeof(Buffers));
  walker.buffers = nullptr;
}

void forget(Walker& walker) {
  add_counts(walker);
  walker.buffers->keptCount = 0;
  memset(walker.other, 0, sizeof walker.other);
}

void set_stack(Walker& walker, uintptr_t low, uintptr_t high) {
  walker.stack = Range{low, high};
  forget(walker);
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
    walker.buffers->keptCount = 0;
  }
  return start(walker, entry, false);
}

uint32_t take_slowly(Walker& walker, Entry entry) { return start(walker, entry, true); }

}  // namespace mp::unwind
