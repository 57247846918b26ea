#include "v8_frames.h"

#include "../jit/jit.h"
#include "../modules/modules.h"
#include "../stacks/table.h"
#include "describe.h"

namespace mp::unwind {
namespace {

uint64_t nameless(uintptr_t pc) {
  return stacks::encode(modules::has_v8() ? MP_FRAME_V8_UNNAMED : MP_FRAME_UNKNOWN,
                        pc & ((UINT64_C(1) << 48) - 1));
}

bool name_unannounced(Walker& walker, uintptr_t pc, Fresh* fresh) {
  if (fresh->value != 0) return true;  // in an image: its offset names it
  if (!is_code(*walker.buffers, pc)) return false;
  fresh->memo = nullptr;
  fresh->value = nameless(pc);
  return true;
}

void name_from_words(Walker& walker, uintptr_t pc, Fresh* fresh) {
  const uintptr_t array = fresh->words[1];
  const uintptr_t offset = fresh->words[2];
  BytecodeRow& row = *bytecode_row_of(*walker.buffers, array, offset);
  if (MP_UNLIKELY(row.array != array || row.offset != offset || row.epoch != walker.codeEpoch)) {
    uint64_t named = jit::bytecode_frame(array, offset);
    if (named == 0) {
      fresh->memo = nullptr;
      fresh->value = nameless(pc);
      return;
    }
    row = BytecodeRow{array, offset, walker.codeEpoch, {named, 0, 0}};
  }
  fresh->value = row.memo.frame;
  fresh->memo = &row.memo;
}

}  // namespace

bool name_v8(Walker& walker, uintptr_t pc, uintptr_t fp, Fresh* fresh) {
  CodeRow& row = *code_row_of(*walker.buffers, pc);
  if (MP_UNLIKELY(row.pc != pc || row.epoch != walker.codeEpoch)) {
    jit::CodeAt code = jit::code_at(pc);
    if (code.frame == 0) return name_unannounced(walker, pc, fresh);
    row = CodeRow{pc, walker.codeEpoch, code.runsBytecode, {code.frame, 0, 0}};
  }
  fresh->value = row.memo.frame;
  fresh->memo = &row.memo;
  if (row.runsBytecode != 0 && fp != 0) {
    const auto* base = reinterpret_cast<const uintptr_t*>(fp);
    fresh->words[0] = base[-1];
    fresh->words[1] = base[jit::kArrayFromFrame / 8];
    fresh->words[2] = base[jit::kOffsetFromFrame / 8];
    fresh->flags |= kFreshBytecode;
    if ((fresh->words[0] & 1) != 0) name_from_words(walker, pc, fresh);
  }
  return true;
}

bool name_v8_slowly(Walker& walker, uintptr_t pc, uintptr_t fp, Fresh* fresh) {
  uint64_t named = jit::frame(pc, fp);
  if (named == 0) return name_unannounced(walker, pc, fresh);
  fresh->value = named;
  fresh->memo = nullptr;
  return true;
}

}  // namespace mp::unwind
