#include "recover.h"

namespace mp::unwind {
namespace {

constexpr uint32_t kMaxInstructions = 4096;
constexpr uint32_t kMaxStraight = 1024;  // of one path, so that no long one starves the others
constexpr int32_t kMaxOffset = 1 << 28;

uint64_t mix(uint64_t hash, uint64_t value) {
  hash = (hash ^ value) * UINT64_C(0x9E3779B97F4A7C15);
  return hash ^ (hash >> 29);
}

uint64_t word_of(const Place& place) {
  return static_cast<uint64_t>(static_cast<uint32_t>(place.offset)) << 8 | place.kind;
}

Place moved(Place place, int64_t by) {
  int64_t offset = place.offset + by;
  if (by > kMaxOffset || by < -kMaxOffset || offset > kMaxOffset || offset < -kMaxOffset) return Place{};
  place.offset = static_cast<int32_t>(offset);
  return place;
}

bool same(const Place& a, const Place& b) { return a.kind == b.kind && a.offset == b.offset; }

bool is_on_stack(const Place& place) { return place.kind == Place::kStack || place.kind == Place::kFrame; }

class Paths {
 public:
  Paths(Scratch& scratch, const Code& code) : scratch_(scratch), code_(code) {
    memset(scratch.visited, 0, sizeof scratch.visited);
  }

  // Reads all paths from here.
  void read(const PathState& from);

  // What is looked for besides ends: an address, and the states in which it is met.
  uintptr_t goal = 0;
  uint32_t goalMet = 0;
  uint32_t goalHeld = 0;
  Row goalRow{};
  uint32_t rowCount = 0;
  bool hasEnds = true;  // ends are wanted

 private:
  enum class Next : uint8_t { kGoesOn, kEnds };

  void queue(const PathState& state);
  bool visit(const PathState& state);
  Next step(PathState& state, const Instruction& instruction);
  void meet_goal(const PathState& state);
  void add_end(const PathState& state);
  void write(PathState& state, uint8_t reg);
  void load(PathState& state, uint8_t reg, const Place& from);
  void store_rbp(PathState& state, const Place& to);
  Place place_of(const PathState& state, uint8_t base, int64_t offset) const;

  Scratch& scratch_;
  const Code& code_;
  uint32_t begin_ = 0;
  uint32_t end_ = 0;
  uint32_t instructions_ = 0;
};

void Paths::queue(const PathState& state) {
  if (end_ - begin_ < Scratch::kQueued) scratch_.queue[end_++ % Scratch::kQueued] = state;
}

// False: another path was here with the same knowledge.
bool Paths::visit(const PathState& state) {
  uint64_t hash = mix(state.at, word_of(state.sp));
  hash = mix(hash, word_of(state.rbp) << 1 | (state.rbpLoaded ? 1 : 0));
  hash = mix(hash, word_of(state.savedAt));
  hash |= 1;
  for (uint32_t i = 0; i < 8; ++i) {
    uint64_t& slot = scratch_.visited[((hash >> 20) + i) & (Scratch::kVisited - 1)];
    if (slot == hash) return false;
    if (slot == 0) {
      slot = hash;
      return true;
    }
  }
  return true;  // not remembered: the bound on instructions ends it
}

Place Paths::place_of(const PathState& state, uint8_t base, int64_t offset) const {
  if (base == kRsp) return moved(state.sp, offset);
  if (base == kRbp && !state.rbpLoaded) return moved(state.rbp, offset);
  return Place{};
}

void Paths::write(PathState& state, uint8_t reg) {
  if (reg == kRsp) state.sp = Place{};
  if (reg == kRbp) {
    state.rbp = Place{};
    state.rbpLoaded = false;
  }
  if (reg < 16) state.copies[reg] = Place{};
}

void Paths::load(PathState& state, uint8_t reg, const Place& from) {
  write(state, reg);
  if (reg == kRbp) {
    if (is_on_stack(from) && same(from, state.savedAt)) {
      state.rbp = state.saved;
      state.rbpLoaded = state.savedLoaded;
    } else if (from.kind == Place::kFrame || (from.kind == Place::kStack && from.offset >= 0)) {
      state.rbp = from;
      state.rbpLoaded = true;
    }
  } else if (reg < 16) {
    if (from.kind == Place::kFrame || (from.kind == Place::kStack && from.offset >= 0))
      state.copies[reg] = from;
  }
}

void Paths::store_rbp(PathState& state, const Place& to) {
  if (!is_on_stack(to)) return;
  state.savedAt = to;
  state.saved = state.rbp;
  state.savedLoaded = state.rbpLoaded;
}

// The function returns (or jumps on to another one) with the return address at sp.
void Paths::add_end(const PathState& state) {
  if (!hasEnds) return;
  Row row{};
  int32_t frameAt = 0;
  int64_t cfa = static_cast<int64_t>(state.sp.offset) + 8;
  if (state.sp.kind == Place::kStack) {
    // A call stood at the beginning, where the stack is aligned; so it is where this frame began.
    if (cfa <= 8 || cfa % 16 != 0) return;
    row.cfa = Cfa::kRsp;
  } else if (state.sp.kind == Place::kFrame) {
    if (cfa < 16) return;
    row.cfa = Cfa::kRbp;
  } else if (state.sp.kind == Place::kAtWord) {
    if (cfa != 0) return;  // the rule has no place for an offset
    row.cfa = Cfa::kAtRbp;
    cfa = state.spWord.offset;
  } else {
    return;
  }
  row.cfaOffset = static_cast<int32_t>(cfa);
  if (!state.rbpLoaded) {
    // rbp as it was: it cannot be both that and what the frame was measured by.
    if (!same(state.rbp, Place{Place::kFrame, 0}) || row.cfa != Cfa::kRsp) return;
    row.rbp = Rbp::kSame;
  } else if (row.cfa == Cfa::kAtRbp) {
    if (state.rbp.kind != state.spWord.kind) return;
    row.rbp = Rbp::kAtRbp;
    if (state.rbp.kind == Place::kStack) {
      // Such a function has its frame pointer where it saved the caller's: to be tested.
      frameAt = state.rbp.offset;
      row.cfaOffset -= frameAt;
    } else if (state.rbp.offset != 0) {
      return;
    }
  } else {
    if (state.rbp.kind != state.sp.kind) return;
    int64_t offset = state.rbp.offset - cfa;
    if (offset > -16 || offset != static_cast<int16_t>(offset)) return;
    row.rbp = Rbp::kAtCfa;
    row.rbpOffset = static_cast<int16_t>(offset);
  }
  for (uint32_t i = 0; i < rowCount && i < kRowChoices; ++i) {
    if (memcmp(&scratch_.rows[i], &row, sizeof row) == 0 && scratch_.frameAt[i] == frameAt) return;
  }
  if (rowCount < kRowChoices) {
    scratch_.rows[rowCount] = row;
    scratch_.frameAt[rowCount] = frameAt;
  }
  ++rowCount;
}

// Entered at the function's first instruction: sp + 8 there is the frame's CFA.
void Paths::meet_goal(const PathState& state) {
  const Place cfa{Place::kStack, 8};
  bool holds = false;
  bool isKnown = true;
  switch (goalRow.cfa) {
    case Cfa::kRsp:
      isKnown = state.sp.kind != Place::kLost;
      holds = same(moved(state.sp, goalRow.cfaOffset), cfa);
      break;
    case Cfa::kRbp:
      isKnown = state.rbp.kind != Place::kLost;
      holds = !state.rbpLoaded && same(moved(state.rbp, goalRow.cfaOffset), cfa);
      break;
    default:
      isKnown = false;
  }
  if (!isKnown) return;
  ++goalMet;
  if (holds) ++goalHeld;
}

Paths::Next Paths::step(PathState& state, const Instruction& instruction) {
  const uintptr_t next = state.at + instruction.length;
  const uint8_t reg = instruction.reg;
  state.at = next;
  switch (instruction.op) {
    case Op::kBad:
    case Op::kStop:
      return Next::kEnds;
    case Op::kPlain:
    case Op::kCall:
    case Op::kCallMemory:
    case Op::kCallAway:
      // A call leaves rsp and rbp as they were (psABI) or never comes back, which shows at the end.
      if (instruction.op != Op::kPlain) {
        for (uint8_t scratched : {0, 1, 2, 6, 7, 8, 9, 10, 11}) state.copies[scratched] = Place{};
      }
      return Next::kGoesOn;
    case Op::kPush:
      state.sp = moved(state.sp, -instruction.value);
      if (reg == kRbp && instruction.value == 8) store_rbp(state, state.sp);
      return Next::kGoesOn;
    case Op::kPop: {
      Place from = state.sp;
      state.sp = moved(state.sp, instruction.value);
      load(state, reg, from);
      return Next::kGoesOn;
    }
    case Op::kAdd:
      if (reg == kRsp) {
        state.sp = moved(state.sp, instruction.value);
      } else if (reg == kRbp && !state.rbpLoaded) {
        state.rbp = moved(state.rbp, instruction.value);
      } else {
        write(state, reg);
      }
      return Next::kGoesOn;
    case Op::kMove:
    case Op::kLea: {
      Place value = place_of(state, instruction.base, instruction.value);
      const Place word = instruction.base < 16 ? state.copies[instruction.base] : Place{};
      write(state, reg);
      if (reg == kRsp) {
        state.sp = value;
        if (word.kind != Place::kLost) {
          state.sp = moved(Place{Place::kAtWord, 0}, instruction.value);
          state.spWord = word;
        }
      } else if (reg == kRbp) {
        state.rbp = value;
      }
      return Next::kGoesOn;
    }
    case Op::kLoad:
      load(state, reg, place_of(state, instruction.base, instruction.value));
      return Next::kGoesOn;
    case Op::kStore:
      if (reg == kRbp) store_rbp(state, place_of(state, instruction.base, instruction.value));
      return Next::kGoesOn;
    case Op::kWrite:
      write(state, reg);
      return Next::kGoesOn;
    case Op::kLeave: {
      Place from = place_of(state, kRbp, 0);
      state.sp = moved(from, 8);
      load(state, kRbp, from);
      return Next::kGoesOn;
    }
    case Op::kRet:
      add_end(state);
      return Next::kEnds;
    case Op::kJump: {
      auto target = static_cast<uintptr_t>(instruction.value);
      if (!code_.holds(target)) return Next::kEnds;
      state.at = target;
      return Next::kGoesOn;
    }
    case Op::kBranch: {
      auto target = static_cast<uintptr_t>(instruction.value);
      if (code_.holds(target)) {
        PathState other = state;
        other.at = target;
        queue(other);
      }
      return Next::kGoesOn;
    }
    case Op::kJumpAway:
    case Op::kJumpMemory:
      // Into another function, when the stack stands as at a function's first instruction; else it is
      // a switch, whose targets are not known.
      add_end(state);
      return Next::kEnds;
  }
  return Next::kEnds;
}

void Paths::read(const PathState& from) {
  queue(from);
  while (begin_ != end_) {
    PathState state = scratch_.queue[begin_++ % Scratch::kQueued];
    for (uint32_t straight = 0; straight < kMaxStraight; ++straight) {
      if (++instructions_ > kMaxInstructions) return;
      if (state.at == goal && goal != 0) {
        meet_goal(state);
        break;
      }
      if (!visit(state)) break;
      if (step(state, read_instruction(state.at, code_.high)) == Next::kEnds) break;
    }
  }
}

}  // namespace

uint32_t read_rows(Scratch& scratch, const Code& code, uintptr_t returnAddress) {
  Paths paths(scratch, code);
  PathState state;
  state.at = returnAddress;
  state.sp = Place{Place::kStack, 0};
  state.rbp = Place{Place::kFrame, 0};
  paths.read(state);
  return paths.rowCount;
}

Proof prove_row(Scratch& scratch, const Code& code, uintptr_t function, uintptr_t returnAddress,
                const Row& row) {
  Row kept[kRowChoices];
  memcpy(kept, scratch.rows, sizeof kept);
  Paths paths(scratch, code);
  paths.goal = returnAddress;
  paths.goalRow = row;
  paths.hasEnds = false;
  PathState state;
  state.at = function;
  state.sp = Place{Place::kStack, 0};
  state.rbp = Place{Place::kFrame, 0};
  paths.read(state);
  memcpy(scratch.rows, kept, sizeof kept);
  if (paths.goalMet == 0) return Proof::kUnknown;
  return paths.goalHeld == paths.goalMet ? Proof::kProven : Proof::kRefuted;
}

Instruction call_before(const Code& code, uintptr_t returnAddress) {
  if (!code.holds(returnAddress - 1) || returnAddress - code.low < 16) return Instruction{};
  for (uintptr_t length = 2; length <= 8; ++length) {
    Instruction instruction = read_instruction(returnAddress - length, returnAddress);
    if (instruction.length == length &&
        (instruction.op == Op::kCall || instruction.op == Op::kCallMemory || instruction.op == Op::kCallAway))
      return instruction;
  }
  return Instruction{};
}

namespace {

// The row is kept xored into its key, so that a pair torn by two writers fits no key.
struct Shared {
  std::atomic<uint64_t> check;
  std::atomic<uint64_t> row;
};
constexpr uint32_t kShared = 8192;
Shared g_shared[kShared];

uint64_t bits_of(const Row& row) {
  uint64_t bits;
  memcpy(&bits, &row, sizeof bits);
  return bits;
}

}  // namespace

bool known_row(uint64_t key, Row* row) {
  uint64_t start = mix(key, 1);
  for (uint32_t i = 0; i < 4; ++i) {
    const Shared& shared = g_shared[(start + i) % kShared];
    uint64_t bits = shared.row.load(std::memory_order_relaxed);
    if ((shared.check.load(std::memory_order_relaxed) ^ bits) != key) continue;
    memcpy(row, &bits, sizeof bits);
    return true;
  }
  return false;
}

void keep_row(uint64_t key, const Row& row) {
  uint64_t start = mix(key, 1);
  Shared* free = &g_shared[start % kShared];
  for (uint32_t i = 0; i < 4; ++i) {
    Shared& shared = g_shared[(start + i) % kShared];
    if (shared.row.load(std::memory_order_relaxed) != 0 || shared.check.load(std::memory_order_relaxed) != 0)
      continue;
    free = &shared;
    break;
  }
  uint64_t bits = bits_of(row);
  free->row.store(bits, std::memory_order_relaxed);
  free->check.store(key ^ bits, std::memory_order_relaxed);
}

}  // namespace mp::unwind
