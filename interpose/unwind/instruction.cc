#include "instruction.h"

namespace mp::unwind {
namespace {

constexpr uint8_t kMaxLength = 15;

// An instruction in the middle of being read. Past the end it stays bad and gives zeros.
struct Decoder {
  uintptr_t begin;
  uintptr_t at;
  uintptr_t end;
  bool bad = false;
  bool operand16 = false;
  bool address32 = false;
  bool segment = false;
  uint8_t rex = 0;
  // ModRM, as far as anybody asks.
  uint8_t mod = 0, regField = 0, rm = 0;
  uint8_t base = kNoReg;  // kNoReg: absolute, relative to rip, or with an index
  bool ripRelative = false;
  int32_t displacement = 0;

  template <typename T>
  T fixed() {
    T value{};
    if (bad || at + sizeof(T) > end) {
      bad = true;
      return value;
    }
    memcpy(&value, reinterpret_cast<const void*>(at), sizeof(T));
    at += sizeof(T);
    return value;
  }
  uint8_t byte() { return fixed<uint8_t>(); }
  void skip(unsigned bytes) {
    at += bytes;
    if (at > end) bad = true;
  }
  bool wide() const { return (rex & 8) != 0; }

  void modrm() {
    uint8_t m = byte();
    mod = m >> 6;
    regField = static_cast<uint8_t>(((m >> 3) & 7) | ((rex & 4) << 1));
    rm = static_cast<uint8_t>((m & 7) | ((rex & 1) << 3));
    if (mod == 3) return;
    base = rm;
    if ((m & 7) == 4) {
      uint8_t sib = byte();
      uint8_t index = static_cast<uint8_t>(((sib >> 3) & 7) | ((rex & 2) << 2));
      base = static_cast<uint8_t>((sib & 7) | ((rex & 1) << 3));
      bool noBase = (sib & 7) == 5 && mod == 0;
      if (noBase) displacement = fixed<int32_t>();
      if (noBase || index != 4) base = kNoReg;
    } else if ((m & 7) == 5 && mod == 0) {
      base = kNoReg;
      ripRelative = true;
      displacement = fixed<int32_t>();
    }
    if (mod == 1) displacement = fixed<int8_t>();
    if (mod == 2) displacement = fixed<int32_t>();
    // [fs:rsp+n] and [esp+n] are no places on the stack.
    if (address32 || segment) base = kNoReg;
  }
  int64_t immediate() { return operand16 ? fixed<int16_t>() : fixed<int32_t>(); }

  Instruction done(Op op, uint8_t reg = kNoReg, int64_t value = 0, uint8_t baseReg = kNoReg) const {
    Instruction result;
    auto length = at - begin;
    if (bad || length > kMaxLength) return result;
    result.op = op;
    result.length = static_cast<uint8_t>(length);
    result.reg = reg;
    result.base = baseReg;
    result.value = value;
    return result;
  }
  Instruction relative(Op op, int64_t distance) const {
    return done(op, kNoReg, static_cast<int64_t>(at) + distance);
  }
  // Something is written to the register or memory operand.
  Instruction writes_rm() const { return mod == 3 ? done(Op::kWrite, rm) : done(Op::kPlain); }
  Instruction writes_reg() const { return done(Op::kWrite, regField); }
};

Instruction read_0f38(Decoder& d) {
  uint8_t op = d.byte();
  d.modrm();
  return (op & 0xfe) == 0xf0 || op == 0xf6 ? d.writes_reg() : d.done(Op::kPlain);
}

Instruction read_0f3a(Decoder& d) {
  d.byte();
  d.modrm();
  d.skip(1);
  // pextr* and extractps write to a general register.
  return d.writes_rm();
}

bool has_imm8_0f(uint8_t op) {
  return (op >= 0x70 && op <= 0x73) || op == 0xa4 || op == 0xac || op == 0xba || op == 0xc2 || op == 0xc4 ||
         op == 0xc5 || op == 0xc6;
}

Instruction read_0f(Decoder& d) {
  uint8_t op = d.byte();
  if (op == 0x38) return read_0f38(d);
  if (op == 0x3a) return read_0f3a(d);
  if (op >= 0x80 && op <= 0x8f) return d.relative(Op::kBranch, d.fixed<int32_t>());
  switch (op) {
    case 0x0b:  // ud2
      return d.done(Op::kStop);
    case 0x05:  // syscall: rcx, r11, rax
    case 0x31:  // rdtsc
    case 0x77:  // emms
    case 0xa2:  // cpuid
      return d.done(Op::kPlain);
    case 0x01:
      d.modrm();
      return d.done(Op::kPlain);
    case 0x0d:
    case 0x18:
    case 0x19:
    case 0x1a:
    case 0x1b:
    case 0x1c:
    case 0x1d:
    case 0x1e:
    case 0x1f:
      d.modrm();
      return d.done(Op::kPlain);
    case 0xa0:
    case 0xa8:
      return d.done(Op::kPush, kNoReg, 8);
    case 0xa1:
    case 0xa9:
      return d.done(Op::kPop, kNoReg, 8);
    case 0xa3:
    case 0xae:  // bt, fences and state
      d.modrm();
      return d.done(Op::kPlain);
    case 0xba:  // bt, bts, btr, btc
      d.modrm();
      d.skip(1);
      return (d.regField & 7) == 4 ? d.done(Op::kPlain) : d.writes_rm();
    case 0xb0:
    case 0xb1:
    case 0xc0:
    case 0xc1:
    case 0xab:
    case 0xb3:
    case 0xbb:
    case 0xa4:
    case 0xa5:
    case 0xac:
    case 0xad:
    case 0xc7:
      d.modrm();
      if (has_imm8_0f(op)) d.skip(1);
      // xadd writes both; where the other one is rbp, rbp counts as written.
      if ((op & 0xfe) == 0xc0 && d.regField == kRbp) return d.writes_reg();
      return d.writes_rm();
    case 0xc3:  // movnti
      d.modrm();
      return d.done(Op::kPlain);
    default:
      break;
  }
  if (op >= 0xc8 && op <= 0xcf)
    return d.done(Op::kWrite, static_cast<uint8_t>((op & 7) | ((d.rex & 1) << 3)));
  if (op >= 0x90 && op <= 0x9f) {  // setcc
    d.modrm();
    return d.writes_rm();
  }
  bool writesReg = (op >= 0x40 && op <= 0x4f) || op == 0xaf || (op >= 0xb6 && op <= 0xbf && op != 0xb9) ||
                   op == 0x2c || op == 0x2d || op == 0x50 || op == 0xc5 || op == 0xd7;
  bool isVector = (op >= 0x10 && op <= 0x17) || (op >= 0x28 && op <= 0x2f) || (op >= 0x51 && op <= 0x76) ||
                  (op >= 0x7c && op <= 0x7f) || op == 0xc2 || op == 0xc4 || op == 0xc6 ||
                  (op >= 0xd0 && op <= 0xfe);
  if (!writesReg && !isVector) return Instruction{};
  d.modrm();
  if (has_imm8_0f(op)) d.skip(1);
  if (writesReg) return d.writes_reg();
  return op == 0x7e ? d.writes_rm() : d.done(Op::kPlain);
}

// VEX, EVEX and XOP after their prefix: only the length is of interest, and the few instructions on
// general registers.
Instruction read_vector(Decoder& d, uint8_t map, uint8_t pp, uint8_t vvvv, bool isVex) {
  uint8_t op = d.byte();
  if (isVex && map == 1 && op == 0x77) return d.done(Op::kPlain);
  d.modrm();
  switch (map) {
    case 1:
      if (has_imm8_0f(op)) d.skip(1);
      if (op == 0x2c || op == 0x2d || op == 0x50 || op == 0xc5 || op == 0xd7 || op == 0x93)
        return d.writes_reg();
      return op == 0x7e ? d.writes_rm() : d.done(Op::kPlain);
    case 2:
      if (isVex && op == 0xf3) return d.done(Op::kWrite, vvvv);  // blsr, blsmsk, blsi
      if (isVex && op >= 0xf2 && op <= 0xf7) {                   // andn, bzhi, pext, pdep, mulx, shifts
        if (op == 0xf6 && pp == 3 && vvvv == kRbp) return d.done(Op::kWrite, vvvv);
        return d.writes_reg();
      }
      return d.done(Op::kPlain);
    case 3:
      d.skip(1);
      if (op == 0xf0) return d.writes_reg();                                 // rorx
      return op >= 0x14 && op <= 0x17 ? d.writes_rm() : d.done(Op::kPlain);  // vpextr
    case 5:
    case 6:
      return d.done(Op::kPlain);
    case 8:
      d.skip(1);
      return d.done(Op::kPlain);
    case 9:
      return d.writes_reg();
    case 10:
      d.skip(4);
      return d.writes_reg();
    default:
      return Instruction{};
  }
}

Instruction read_vex(Decoder& d, uint8_t first) {
  uint8_t a = d.byte();
  uint8_t b = a;
  uint8_t map = 1;
  d.rex = (a & 0x80) == 0 ? 4 : 0;
  if (first != 0xc5) {
    b = d.byte();
    map = a & 0x1f;
    d.rex = static_cast<uint8_t>((~a >> 5) & 7);
  }
  return read_vector(d, map, b & 3, static_cast<uint8_t>((~b >> 3) & 15), true);
}

Instruction read_evex(Decoder& d) {
  uint8_t a = d.byte();
  uint8_t b = d.byte();
  d.byte();
  if ((b & 4) == 0) return Instruction{};
  d.rex = static_cast<uint8_t>((~a >> 5) & 7);
  return read_vector(d, a & 7, b & 3, static_cast<uint8_t>((~b >> 3) & 15), false);
}

// FF: inc, dec, call, jump and push through an operand.
Instruction read_ff(Decoder& d) {
  d.modrm();
  auto word = static_cast<int64_t>(d.at) + d.displacement;
  switch (d.regField & 7) {
    case 0:
      return d.mod == 3 && d.wide() ? d.done(Op::kAdd, d.rm, 1) : d.writes_rm();
    case 1:
      return d.mod == 3 && d.wide() ? d.done(Op::kAdd, d.rm, -1) : d.writes_rm();
    case 2:
      return d.mod != 3 && d.ripRelative ? d.done(Op::kCallMemory, kNoReg, word) : d.done(Op::kCallAway);
    case 4:
      return d.mod != 3 && d.ripRelative ? d.done(Op::kJumpMemory, kNoReg, word) : d.done(Op::kJumpAway);
    case 6:
      return d.done(Op::kPush, d.mod == 3 ? d.rm : uint8_t{kNoReg}, d.operand16 ? 2 : 8);
    default:
      return Instruction{};
  }
}

// 80, 81, 83: arithmetic with an immediate operand.
Instruction read_group1(Decoder& d, uint8_t op) {
  d.modrm();
  int64_t value = op == 0x81 ? d.immediate() : d.fixed<int8_t>();
  uint8_t what = d.regField & 7;
  if (what == 7) return d.done(Op::kPlain);  // cmp
  if (d.mod == 3 && d.wide() && op != 0x80 && (what == 0 || what == 5))
    return d.done(Op::kAdd, d.rm, what == 0 ? value : -value);
  return d.writes_rm();
}

Instruction read_arithmetic(Decoder& d, uint8_t op) {
  bool isCompare = (op & 0x38) == 0x38;
  switch (op & 7) {
    case 0:
    case 1:
      d.modrm();
      return isCompare ? d.done(Op::kPlain) : d.writes_rm();
    case 2:
    case 3:
      d.modrm();
      return isCompare ? d.done(Op::kPlain) : d.writes_reg();
    case 4:
      d.skip(1);
      return d.done(Op::kPlain);
    case 5:
      d.immediate();
      return d.done(Op::kPlain);
    default:
      return Instruction{};
  }
}

Instruction read_one_byte(Decoder& d, uint8_t op) {
  const auto low = static_cast<uint8_t>((op & 7) | ((d.rex & 1) << 3));
  const int64_t pushed = d.operand16 ? 2 : 8;
  if (op < 0x40) return read_arithmetic(d, op);
  if (op >= 0x50 && op <= 0x57) return d.done(Op::kPush, low, pushed);
  if (op >= 0x58 && op <= 0x5f) return d.done(Op::kPop, low, pushed);
  if (op >= 0x70 && op <= 0x7f) return d.relative(Op::kBranch, d.fixed<int8_t>());
  if (op >= 0xb0 && op <= 0xb7) {
    d.skip(1);
    // Without REX, 4 to 7 are ah to bh.
    return d.rex == 0 && low >= 4 ? d.done(Op::kPlain) : d.done(Op::kWrite, low);
  }
  if (op >= 0xb8 && op <= 0xbf) {
    d.skip(d.wide() ? 8 : d.operand16 ? 2 : 4);
    return d.done(Op::kWrite, low);
  }
  if (op >= 0x91 && op <= 0x97) return d.done(Op::kWrite, low);
  if (op >= 0xd8 && op <= 0xdf) {
    d.modrm();
    return d.done(Op::kPlain);
  }
  switch (op) {
    case 0x63:
      d.modrm();
      return d.writes_reg();
    case 0x68: {
      d.immediate();
      return d.done(Op::kPush, kNoReg, pushed);
    }
    case 0x6a:
      d.skip(1);
      return d.done(Op::kPush, kNoReg, pushed);
    case 0x69:
      d.modrm();
      d.immediate();
      return d.writes_reg();
    case 0x6b:
      d.modrm();
      d.skip(1);
      return d.writes_reg();
    case 0x80:
    case 0x81:
    case 0x83:
      return read_group1(d, op);
    case 0x84:
    case 0x85:
      d.modrm();
      return d.done(Op::kPlain);
    case 0x86:
    case 0x87:  // xchg: of the two, rbp or rsp would be the one that matters
      d.modrm();
      if (d.regField == kRsp || d.regField == kRbp) return d.writes_reg();
      return d.writes_rm();
    case 0x88:
      d.modrm();
      return d.writes_rm();
    case 0x89:
      d.modrm();
      if (d.mod == 3) return d.wide() ? d.done(Op::kMove, d.rm, 0, d.regField) : d.writes_rm();
      return d.wide() && d.base != kNoReg ? d.done(Op::kStore, d.regField, d.displacement, d.base)
                                          : d.done(Op::kPlain);
    case 0x8a:
      d.modrm();
      return d.writes_reg();
    case 0x8b:
      d.modrm();
      if (!d.wide()) return d.writes_reg();
      if (d.mod == 3) return d.done(Op::kMove, d.regField, 0, d.rm);
      return d.base != kNoReg ? d.done(Op::kLoad, d.regField, d.displacement, d.base) : d.writes_reg();
    case 0x8c:
      d.modrm();
      return d.writes_rm();
    case 0x8d:
      d.modrm();
      if (d.mod == 3) return Instruction{};
      return d.wide() && d.base != kNoReg ? d.done(Op::kLea, d.regField, d.displacement, d.base)
                                          : d.writes_reg();
    case 0x8f:
      d.modrm();
      return d.done(Op::kPop, d.mod == 3 ? d.rm : uint8_t{kNoReg}, pushed);
    case 0x90:
    case 0x98:
    case 0x99:
    case 0x9b:
    case 0x9e:
    case 0x9f:
    case 0xa4:
    case 0xa5:
    case 0xa6:
    case 0xa7:
    case 0xaa:
    case 0xab:
    case 0xac:
    case 0xad:
    case 0xae:
    case 0xaf:
    case 0xd7:
    case 0xf5:
    case 0xf8:
    case 0xf9:
    case 0xfc:
    case 0xfd:
      return d.done(Op::kPlain);
    case 0x9c:
      return d.done(Op::kPush, kNoReg, pushed);
    case 0x9d:
      return d.done(Op::kPop, kNoReg, pushed);
    case 0xa0:
    case 0xa1:
    case 0xa2:
    case 0xa3:
      d.skip(d.address32 ? 4 : 8);
      return d.done(Op::kPlain);
    case 0xa8:
      d.skip(1);
      return d.done(Op::kPlain);
    case 0xa9:
      d.immediate();
      return d.done(Op::kPlain);
    case 0xc0:
    case 0xc1:
      d.modrm();
      d.skip(1);
      return d.writes_rm();
    case 0xd0:
    case 0xd1:
    case 0xd2:
    case 0xd3:
      d.modrm();
      return d.writes_rm();
    case 0xc2:
      return d.done(Op::kRet, kNoReg, d.fixed<uint16_t>());
    case 0xc3:
      return d.done(Op::kRet);
    case 0xc6:
      d.modrm();
      d.skip(1);
      return (d.regField & 7) == 0 ? d.writes_rm() : Instruction{};
    case 0xc7:
      d.modrm();
      d.immediate();
      return (d.regField & 7) == 0 ? d.writes_rm() : Instruction{};
    case 0xc9:
      return d.done(Op::kLeave);
    case 0xcc:
    case 0xf4:
      return d.done(Op::kStop);
    case 0xe0:
    case 0xe1:
    case 0xe2:
    case 0xe3:
      return d.relative(Op::kBranch, d.fixed<int8_t>());
    case 0xe8:
      return d.relative(Op::kCall, d.fixed<int32_t>());
    case 0xe9:
      return d.relative(Op::kJump, d.fixed<int32_t>());
    case 0xeb:
      return d.relative(Op::kJump, d.fixed<int8_t>());
    case 0xf6:
      d.modrm();
      if ((d.regField & 7) < 2) {
        d.skip(1);
        return d.done(Op::kPlain);  // test
      }
      return (d.regField & 7) < 4 ? d.writes_rm() : d.done(Op::kPlain);
    case 0xf7:
      d.modrm();
      if ((d.regField & 7) < 2) {
        d.immediate();
        return d.done(Op::kPlain);
      }
      return (d.regField & 7) < 4 ? d.writes_rm() : d.done(Op::kPlain);
    case 0xfe:
      d.modrm();
      return (d.regField & 7) < 2 ? d.writes_rm() : Instruction{};
    case 0xff:
      return read_ff(d);
    default:
      return Instruction{};
  }
}

}  // namespace

Instruction read_instruction(uintptr_t at, uintptr_t end) {
  Decoder d{at, at, end};
  uint8_t op = d.byte();
  for (int prefixes = 0; prefixes < kMaxLength; ++prefixes, op = d.byte()) {
    if (op == 0x66) {
      d.operand16 = true;
    } else if (op == 0x67) {
      d.address32 = true;
    } else if (op == 0x64 || op == 0x65) {
      d.segment = true;
    } else if (op != 0xf0 && op != 0xf2 && op != 0xf3 && op != 0x2e && op != 0x36 && op != 0x3e &&
               op != 0x26) {
      break;
    }
  }
  if (d.bad) return Instruction{};
  if ((op & 0xf0) == 0x40) {
    d.rex = op;
    op = d.byte();
    if (d.wide()) d.operand16 = false;
  }
  if (d.bad) return Instruction{};
  if (op == 0x0f) return read_0f(d);
  if (op == 0xc4 || op == 0xc5) return d.rex == 0 ? read_vex(d, op) : Instruction{};
  if (op == 0x62) return d.rex == 0 ? read_evex(d) : Instruction{};
  if (op == 0x8f && d.at < end && (*reinterpret_cast<const uint8_t*>(d.at) & 0x1f) >= 8)
    return d.rex == 0 ? read_vex(d, op) : Instruction{};
  return read_one_byte(d, op);
}

}  // namespace mp::unwind
