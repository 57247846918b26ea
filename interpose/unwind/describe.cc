#include "describe.h"

#include "../jit/jit.h"
#include "../modules/modules.h"
#include "../ring/process.h"
#include "../stacks/table.h"

namespace mp::unwind {
namespace {

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
bool leads_to_call(View& view, const Registers& registers, const Row& row, Instruction* call, Code* code) {
  Registers next = registers;
  Slots slots;
  if (!step(view, row, &next, &slots) || (next.sp & 15) != 0) return false;
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
bool recover(Scratch& scratch, View& view, const Registers& registers, const modules::Module& module,
             Row* row) {
  Code code{module.codeLow, module.codeHigh};
  if (!code.holds(registers.pc)) return false;
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
    if (!leads_to_call(view, registers, choice, &call, &callCode)) continue;
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

// Where the row goes by rsp and finds the caller's rbp in the frame, rbp is a register like any other.
uint8_t rbp_use(const Row& row) {
  if (row.cfa == Cfa::kRsp && row.rbp == Rbp::kAtCfa) return 0;
  if (row.cfa == Cfa::kRsp && row.rbp == Rbp::kSame) return kLeavesRbp;
  bool isFramed =
      row.cfa == Cfa::kRbp && row.cfaOffset == 16 && row.rbp == Rbp::kAtCfa && row.rbpOffset == -16;
  return isFramed && (row.flags & kRecovered) == 0 ? kUsesRbp | kFramed : kUsesRbp;
}

}  // namespace

MP_NOINLINE void describe(Walker& walker, View& view, const Registers& registers, CachedRow* entry) {
  count(&ProcessHeader::rowMissCount);
  *entry = CachedRow{};
  uintptr_t lookup = registers.exact ? registers.pc : ReturnAddress{registers.pc}.lookup();
  const modules::Module* module = modules::find(lookup);
  if (module == nullptr) {
    // Code that somebody else made at run time: whether it keeps frame pointers, nobody knows.
    entry->row.cfa = modules::has_v8() ? Cfa::kChain : Cfa::kNone;
    entry->row.flags = kV8 | kUsesRbp;
    return;
  }
  entry->key = registers.pc | (registers.exact ? kExact : 0);
  uint32_t kind = registers.exact ? MP_FRAME_NATIVE_PC : MP_FRAME_NATIVE;
  entry->memo.frame =
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
  if (registers.exact) {
    entry->row.flags |= rbp_use(entry->row);
    return;
  }
  if (entry->row.flags == kNoRow) {
    uint64_t known = static_cast<uint64_t>(module->id) << 40 | (registers.pc - module->base);
    Row row{};
    if (!known_row(known, &row)) {
      // What cannot be recovered once never can: a row is a property of the code.
      row = entry->row;
      if (recover(walker.buffers->scratch, view, registers, *module, &row)) row.flags = kRecovered;
      keep_row(known, row);
    }
    entry->row = row;
    if (row.flags == kRecovered) entry->memo.frame = stacks::encode(MP_FRAME_NATIVE_RECOVERED, known);
  }
  if (call_before(Code{module->codeLow, module->codeHigh}, registers.pc).op != Op::kBad)
    entry->row.flags |= kAfterCall;
  entry->row.flags |= rbp_use(entry->row);
}

bool is_call_in_v8(const Registers& registers) {
  return modules::find(registers.pc - 1) == nullptr && jit::frame(registers.pc, 0) != 0 &&
         follows_call(registers.pc);
}

bool is_code(Buffers& buffers, uintptr_t pc) {
  for (const Range& range : buffers.code) {
    if (pc >= range.low && pc < range.high) return true;
  }
  Range found{};
  if (!os::executable_range(pc, &found.low, &found.high)) return false;
  buffers.code[buffers.codeNext++ % kCodeRanges] = found;
  return true;
}

bool is_process_entry(const Registers& registers) {
  uintptr_t entry = os::initial_stack();
  return entry != 0 && registers.sp <= entry && entry - registers.sp <= 64;
}

}  // namespace mp::unwind
