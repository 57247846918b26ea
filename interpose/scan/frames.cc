#include "frames.h"

#include "../jit/jit.h"
#include "../modules/modules.h"
#include "../stacks/table.h"
#include "../unwind/rows.h"
#include "guard.h"

namespace mp::scan {
namespace {

constexpr uint64_t kAddress = (UINT64_C(1) << 48) - 1;

uint64_t name_of(const Registers& registers, const modules::Module* module) {
  if (module != nullptr && !module->keepsFramePointers) {
    uint32_t kind = registers.isReturnAddress ? MP_FRAME_NATIVE : MP_FRAME_NATIVE_PC;
    return stacks::encode(kind, uint64_t{module->id} << 40 | (registers.pc - module->base));
  }
  uint64_t word;
  bool isReadable = read_word((registers.rbp & ~uintptr_t{7}) - 0x30, &word) &&
                    read_word((registers.rbp & ~uintptr_t{7}) + 8, &word);
  uint64_t named = jit::frame(registers.pc, isReadable ? registers.rbp : 0);
  if (named != 0) return named;
  if (module != nullptr)
    return stacks::encode(MP_FRAME_NATIVE, uint64_t{module->id} << 40 | (registers.pc - module->base));
  uint32_t kind = modules::has_v8() ? MP_FRAME_V8_UNNAMED : MP_FRAME_UNKNOWN;
  return stacks::encode(kind, registers.pc & kAddress);
}

unwind::Row row_of(const Registers& registers, const modules::Module* module) {
  unwind::Row chain{};
  chain.cfa = unwind::Cfa::kChain;
  if (module == nullptr) return modules::has_v8() ? chain : unwind::Row{};
  uintptr_t lookup = registers.isReturnAddress ? registers.pc - 1 : registers.pc;
  bool isFound = false;
  unwind::Row row =
      unwind::find_row(unwind::Table{module->ehFrameHeader, module->end, module->low}, lookup, &isFound);
  if (isFound) return row;
  return module->keepsFramePointers ? chain : unwind::Row{};
}

bool step_out_of_signal(Registers* registers) {
  // ucontext_t: flags, link and stack take 40 bytes, then the general registers.
  constexpr uintptr_t kGeneral = 40;
  uintptr_t general = registers->sp + kGeneral;
  registers->isReturnAddress = false;
  return read_word(general + 10 * 8, &registers->rbp) && read_word(general + 15 * 8, &registers->sp) &&
         read_word(general + 16 * 8, &registers->pc);
}

bool step(const unwind::Row& row, Registers* registers) {
  uintptr_t cfa;
  switch (row.cfa) {
    case unwind::Cfa::kRsp:
      cfa = registers->sp + static_cast<intptr_t>(row.cfaOffset);
      break;
    case unwind::Cfa::kRbp:
      cfa = registers->rbp + static_cast<intptr_t>(row.cfaOffset);
      break;
    case unwind::Cfa::kChain:
      cfa = registers->rbp + 16;
      break;
    case unwind::Cfa::kAtRbp:
      if (!read_word(registers->rbp + static_cast<intptr_t>(row.cfaOffset), &cfa)) return false;
      break;
    case unwind::Cfa::kSignal:
      return step_out_of_signal(registers);
    default:
      return false;
  }
  if (cfa <= registers->sp || (cfa & 7) != 0) return false;
  uintptr_t frame = registers->rbp;
  uintptr_t rbpAt = 0;
  if (row.cfa == unwind::Cfa::kChain)
    rbpAt = frame;
  else if (row.rbp == unwind::Rbp::kAtCfa)
    rbpAt = cfa + static_cast<intptr_t>(row.rbpOffset);
  else if (row.rbp == unwind::Rbp::kAtRbp)
    rbpAt = frame + static_cast<intptr_t>(row.rbpOffset);
  if (rbpAt != 0 && ((rbpAt & 7) != 0 || !read_word(rbpAt, &registers->rbp))) return false;
  registers->sp = cfa;
  registers->isReturnAddress = true;
  return read_word(cfa - 8, &registers->pc);
}

}  // namespace

uint32_t find_frames(Registers registers, uint32_t tid, ScanFrame* frames, uint32_t capacity) {
  uint32_t count = 0;
  while (count < capacity && registers.pc != 0) {
    const modules::Module* module =
        modules::find(registers.isReturnAddress ? registers.pc - 1 : registers.pc);
    unwind::Row row = row_of(registers, module);
    // No module and no code of V8: what was taken for a frame is none.
    if (module == nullptr && !modules::has_v8() && count != 0) break;
    frames[count++] = ScanFrame{registers.sp, name_of(registers, module), tid, 0};
    if (!step(row, &registers)) break;
  }
  return count;
}

}  // namespace mp::scan
