// Reads one x86-64 instruction: how long it is, and what it does to the stack pointer, to rbp and to
// the flow of control. Everything else is kPlain. Knows what compilers emit for user code, vector
// extensions (VEX, EVEX, XOP) by their length; what it does not know is kBad, never a guess.
//
// Own and small instead of a library: Debian's libzydis-dev has no static library to link into the
// shim, and a shared one would be seen by the program. The test compares it with objdump.
//
// Source: Intel SDM volume 2, chapter 2 and appendix A. Must not import anything but base.h.
#ifndef MEMPROF_INSTRUCTION_H
#define MEMPROF_INSTRUCTION_H

#include "../base.h"

namespace mp::unwind {

enum Reg : uint8_t { kRax = 0, kRsp = 4, kRbp = 5, kNoReg = 16 };

enum class Op : uint8_t {
  kBad,    // not an instruction that this reader knows
  kPlain,  // neither stack pointer, rbp nor flow
  kPush,   // reg: what is pushed, kNoReg: something else; value: bytes
  kPop,    // reg: where to, kNoReg: memory or flags; value: bytes
  kAdd,    // reg += value (64 bits)
  kMove,   // reg = base (64 bits)
  kLea,    // reg = base + value; base may be kNoReg: not of that form
  kLoad,   // reg = *(base + value), 64 bits
  kStore,  // *(base + value) = reg, 64 bits
  kWrite,  // reg = something else
  kLeave,
  kRet,         // value: bytes dropped above the return address
  kJump,        // value: target
  kBranch,      // value: target of the jump, if it is taken
  kJumpAway,    // jump through a register or memory
  kCall,        // value: target
  kCallMemory,  // value: address of the word that holds the target (call *x(%rip))
  kCallAway,    // call through anything else
  kJumpMemory,  // value: address of the word that holds the target (jmp *x(%rip))
  kStop,        // ud2, hlt, int3
};

struct Instruction {
  Op op = Op::kBad;
  uint8_t length = 0;
  uint8_t reg = kNoReg;
  uint8_t base = kNoReg;
  int64_t value = 0;
};

// Reads the instruction at `at` and nothing at `end` or above.
Instruction read_instruction(uintptr_t at, uintptr_t end);

}  // namespace mp::unwind

#endif
