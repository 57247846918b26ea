#include "rows.h"

namespace mp::unwind {
namespace {

// DWARF register numbers on x86-64.
constexpr uint64_t kRegRbp = 6;
constexpr uint64_t kRegRsp = 7;
constexpr uint64_t kRegReturn = 16;

enum Encoding : uint8_t {
  kAbsolute = 0x00,
  kUleb = 0x01,
  kUdata2 = 0x02,
  kUdata4 = 0x03,
  kUdata8 = 0x04,
  kSleb = 0x09,
  kSdata2 = 0x0a,
  kSdata4 = 0x0b,
  kSdata8 = 0x0c,
  kPcRelative = 0x10,
  kDataRelative = 0x30,
  kIndirect = 0x80,
  kOmit = 0xff,
};

// Reads inside [at, end) only; past the end it stays `bad` and gives zeros.
struct Reader {
  uintptr_t at;
  uintptr_t end;
  bool bad = false;

  template <typename T>
  T fixed() {
    T value{};
    if (bad || end - at < sizeof(T) || at > end) {
      bad = true;
      return value;
    }
    memcpy(&value, reinterpret_cast<const void*>(at), sizeof(T));
    at += sizeof(T);
    return value;
  }
  uint64_t uleb() {
    uint64_t value = 0;
    for (unsigned shift = 0;; shift += 7) {
      auto byte = fixed<uint8_t>();
      if (bad) return 0;
      if (shift < 64) value |= static_cast<uint64_t>(byte & 0x7f) << shift;
      if ((byte & 0x80) == 0) return value;
    }
  }
  int64_t sleb() {
    uint64_t value = 0;
    for (unsigned shift = 0;;) {
      auto byte = fixed<uint8_t>();
      if (bad) return 0;
      if (shift < 64) value |= static_cast<uint64_t>(byte & 0x7f) << shift;
      shift += 7;
      if ((byte & 0x80) == 0) {
        if (shift < 64 && (byte & 0x40) != 0) value |= ~UINT64_C(0) << shift;
        return static_cast<int64_t>(value);
      }
    }
  }
  void skip(uint64_t bytes) {
    if (bad || bytes > end - at) {
      bad = true;
    } else {
      at += bytes;
    }
  }
  uintptr_t encoded(uint8_t encoding, uintptr_t dataBase) {
    if (encoding == kOmit) return 0;
    uintptr_t place = at;
    uintptr_t value = 0;
    switch (encoding & 0x0f) {
      case kAbsolute:
      case kUdata8:
      case kSdata8:
        value = fixed<uint64_t>();
        break;
      case kUleb:
        value = uleb();
        break;
      case kSleb:
        value = static_cast<uintptr_t>(sleb());
        break;
      case kUdata2:
        value = fixed<uint16_t>();
        break;
      case kSdata2:
        value = static_cast<uintptr_t>(static_cast<int64_t>(fixed<int16_t>()));
        break;
      case kUdata4:
        value = fixed<uint32_t>();
        break;
      case kSdata4:
        value = static_cast<uintptr_t>(static_cast<int64_t>(fixed<int32_t>()));
        break;
      default:
        bad = true;
    }
    switch (encoding & 0x70) {
      case 0:
        break;
      case kPcRelative:
        value += place;
        break;
      case kDataRelative:
        value += dataBase;
        break;
      default:
        bad = true;
    }
    return value;  // kIndirect occurs for personality routines only, whose value is not used
  }
};

struct Cie {
  uint64_t codeAlign = 1;
  int64_t dataAlign = 1;
  uint8_t pointerEncoding = kAbsolute;
  bool hasAugmentation = false;
  bool isSignal = false;
  Reader program{0, 0};
};

// One register's rule, as far as this unwinder knows rules.
struct Rule {
  enum Kind : uint8_t { kUnset, kOffset, kAtRbpExpression, kUndefined, kOther } kind = kUnset;
  int32_t offset = 0;
};

struct State {
  enum CfaKind : uint8_t { kRegister, kDereference, kUnknown } cfaKind = kUnknown;
  uint64_t cfaRegister = kRegRsp;
  int64_t cfaOffset = 0;
  Rule rbp;
  Rule returnAddress;
};

bool read_cie(Reader reader, Cie* cie) {
  auto version = reader.fixed<uint8_t>();
  if (version != 1 && version != 3) return false;
  char augmentation[8] = {};
  for (size_t i = 0;; ++i) {
    auto c = static_cast<char>(reader.fixed<uint8_t>());
    if (reader.bad || i >= sizeof augmentation) return false;
    augmentation[i] = c;
    if (c == '\0') break;
  }
  cie->codeAlign = reader.uleb();
  cie->dataAlign = reader.sleb();
  uint64_t returnRegister = version == 1 ? reader.fixed<uint8_t>() : reader.uleb();
  if (returnRegister != kRegReturn) return false;
  if (augmentation[0] == 'z') {
    cie->hasAugmentation = true;
    uint64_t bytes = reader.uleb();
    Reader data{reader.at, reader.at + bytes};
    reader.skip(bytes);
    for (const char* c = augmentation + 1; *c != '\0'; ++c) {
      switch (*c) {
        case 'R':
          cie->pointerEncoding = data.fixed<uint8_t>();
          break;
        case 'P': {
          auto encoding = data.fixed<uint8_t>();
          data.encoded(static_cast<uint8_t>(encoding & ~kIndirect), 0);
          break;
        }
        case 'L':
          data.fixed<uint8_t>();
          break;
        case 'S':
          cie->isSignal = true;
          break;
        default:
          break;  // the length says where the program begins whatever this is
      }
    }
    if (data.bad) return false;
  } else if (augmentation[0] != '\0') {
    return false;
  }
  cie->program = reader;
  return !reader.bad;
}

// breg6(n) deref: CFA = *(rbp + n). breg6(n): a slot at rbp + n.
bool read_rbp_expression(Reader& reader, bool wantDereference, int64_t* offset) {
  uint64_t bytes = reader.uleb();
  Reader expression{reader.at, reader.at + bytes};
  reader.skip(bytes);
  if (reader.bad) return false;
  constexpr uint8_t kBreg6 = 0x76;
  constexpr uint8_t kDeref = 0x06;
  if (expression.fixed<uint8_t>() != kBreg6) return false;
  *offset = expression.sleb();
  if (wantDereference && expression.fixed<uint8_t>() != kDeref) return false;
  return !expression.bad && expression.at == expression.end;
}

class Program {
 public:
  Program(const Cie& cie, uintptr_t start, uintptr_t target) : cie_(cie), location_(start), target_(target) {}

  State& state() { return state_; }
  void keep_initial() { initial_ = state_; }

  // Runs until the row that covers the target is complete. False: malformed.
  bool run(Reader reader) {
    while (reader.at < reader.end && !reader.bad) {
      auto op = reader.fixed<uint8_t>();
      uint8_t low = op & 0x3f;
      switch (op & 0xc0) {
        case 0x40:  // advance_loc
          if (advance(low)) return true;
          continue;
        case 0x80:  // offset
          set(low, Rule::kOffset, static_cast<int64_t>(reader.uleb()) * cie_.dataAlign);
          continue;
        case 0xc0:  // restore
          restore(low);
          continue;
        default:
          break;
      }
      switch (op) {
        case 0x00:  // nop
          break;
        case 0x01:  // set_loc
          location_ = reader.encoded(cie_.pointerEncoding, 0);
          if (location_ > target_) return true;
          break;
        case 0x02:
          if (advance(reader.fixed<uint8_t>())) return true;
          break;
        case 0x03:
          if (advance(reader.fixed<uint16_t>())) return true;
          break;
        case 0x04:
          if (advance(reader.fixed<uint32_t>())) return true;
          break;
        case 0x05: {  // offset_extended
          uint64_t reg = reader.uleb();
          set(reg, Rule::kOffset, static_cast<int64_t>(reader.uleb()) * cie_.dataAlign);
          break;
        }
        case 0x06:  // restore_extended
          restore(reader.uleb());
          break;
        case 0x07:  // undefined
          set(reader.uleb(), Rule::kUndefined, 0);
          break;
        case 0x08:  // same_value
          set(reader.uleb(), Rule::kUnset, 0);
          break;
        case 0x09: {  // register
          uint64_t reg = reader.uleb();
          reader.uleb();
          set(reg, Rule::kOther, 0);
          break;
        }
        case 0x0a:  // remember_state
          if (depth_ == kDepth) return false;
          saved_[depth_++] = state_;
          break;
        case 0x0b:  // restore_state
          if (depth_ == 0) return false;
          state_ = saved_[--depth_];
          break;
        case 0x0c:  // def_cfa
          state_.cfaKind = State::kRegister;
          state_.cfaRegister = reader.uleb();
          state_.cfaOffset = static_cast<int64_t>(reader.uleb());
          break;
        case 0x0d:  // def_cfa_register
          state_.cfaKind = State::kRegister;
          state_.cfaRegister = reader.uleb();
          break;
        case 0x0e:  // def_cfa_offset
          state_.cfaOffset = static_cast<int64_t>(reader.uleb());
          break;
        case 0x0f:  // def_cfa_expression
          state_.cfaKind =
              read_rbp_expression(reader, true, &state_.cfaOffset) ? State::kDereference : State::kUnknown;
          break;
        case 0x10: {  // expression
          uint64_t reg = reader.uleb();
          int64_t offset = 0;
          bool known = read_rbp_expression(reader, false, &offset);
          set(reg, known ? Rule::kAtRbpExpression : Rule::kOther, offset);
          break;
        }
        case 0x11: {  // offset_extended_sf
          uint64_t reg = reader.uleb();
          set(reg, Rule::kOffset, reader.sleb() * cie_.dataAlign);
          break;
        }
        case 0x12:  // def_cfa_sf
          state_.cfaKind = State::kRegister;
          state_.cfaRegister = reader.uleb();
          state_.cfaOffset = reader.sleb() * cie_.dataAlign;
          break;
        case 0x13:  // def_cfa_offset_sf
          state_.cfaOffset = reader.sleb() * cie_.dataAlign;
          break;
        case 0x14: {  // val_offset
          uint64_t reg = reader.uleb();
          reader.uleb();
          set(reg, Rule::kOther, 0);
          break;
        }
        case 0x15: {  // val_offset_sf
          uint64_t reg = reader.uleb();
          reader.sleb();
          set(reg, Rule::kOther, 0);
          break;
        }
        case 0x16: {  // val_expression
          uint64_t reg = reader.uleb();
          reader.skip(reader.uleb());
          set(reg, Rule::kOther, 0);
          break;
        }
        case 0x2e:  // GNU_args_size: matters to landing pads only
          reader.uleb();
          break;
        default:
          return false;
      }
    }
    return !reader.bad;
  }

 private:
  static constexpr int kDepth = 8;

  bool advance(uint64_t delta) {
    location_ += delta * cie_.codeAlign;
    return location_ > target_;
  }
  Rule* rule(uint64_t reg) {
    if (reg == kRegRbp) return &state_.rbp;
    if (reg == kRegReturn) return &state_.returnAddress;
    return nullptr;
  }
  void set(uint64_t reg, Rule::Kind kind, int64_t offset) {
    Rule* target = rule(reg);
    if (target == nullptr) return;
    target->kind = offset == static_cast<int32_t>(offset) ? kind : Rule::kOther;
    target->offset = static_cast<int32_t>(offset);
  }
  void restore(uint64_t reg) {
    if (reg == kRegRbp) state_.rbp = initial_.rbp;
    if (reg == kRegReturn) state_.returnAddress = initial_.returnAddress;
  }

  const Cie& cie_;
  uintptr_t location_;
  uintptr_t target_;
  State state_;
  State initial_;
  State saved_[kDepth];
  int depth_ = 0;
};

Row to_row(const State& state, bool isSignal) {
  Row row{};
  if (isSignal) {
    // The kernel's frame: its rules are long expressions over one fixed layout.
    row.cfa = Cfa::kSignal;
    return row;
  }
  if (state.returnAddress.kind == Rule::kUndefined) {
    row.cfa = Cfa::kEnd;
    return row;
  }
  if (state.returnAddress.kind != Rule::kOffset || state.returnAddress.offset != -8) return row;
  if (state.cfaOffset != static_cast<int32_t>(state.cfaOffset)) return row;
  if (state.rbp.offset != static_cast<int16_t>(state.rbp.offset)) return row;
  row.cfaOffset = static_cast<int32_t>(state.cfaOffset);
  row.rbpOffset = static_cast<int16_t>(state.rbp.offset);
  switch (state.rbp.kind) {
    case Rule::kUnset:
    case Rule::kUndefined:
      row.rbp = Rbp::kSame;
      break;
    case Rule::kOffset:
      row.rbp = Rbp::kAtCfa;
      break;
    case Rule::kAtRbpExpression:
      row.rbp = Rbp::kAtRbp;
      break;
    case Rule::kOther:
      return row;
  }
  if (state.cfaKind == State::kDereference) {
    row.cfa = Cfa::kAtRbp;
  } else if (state.cfaKind == State::kRegister && state.cfaRegister == kRegRsp) {
    row.cfa = Cfa::kRsp;
  } else if (state.cfaKind == State::kRegister && state.cfaRegister == kRegRbp) {
    row.cfa = Cfa::kRbp;
  }
  return row;
}

// A CIE or FDE: its contents' reader, its id field's place and value.
struct EntryHead {
  Reader body{0, 0};
  uintptr_t idPlace = 0;
  uint32_t id = 0;
};

bool read_entry(uintptr_t at, const Table& table, EntryHead* head) {
  if (at < table.imageLow || at >= table.end) return false;
  Reader reader{at, table.end};
  uint64_t length = reader.fixed<uint32_t>();
  if (length == 0xffffffffu) length = reader.fixed<uint64_t>();
  if (reader.bad || length < 4 || length > table.end - reader.at) return false;
  head->idPlace = reader.at;
  Reader body{reader.at, reader.at + length};
  head->id = body.fixed<uint32_t>();
  head->body = body;
  return !body.bad;
}

// Binary search in .eh_frame_hdr. 0: no table or no entry at or below the address.
uintptr_t find_fde(const Table& table, uintptr_t address) {
  Reader reader{table.header, table.end};
  auto version = reader.fixed<uint8_t>();
  auto frameEncoding = reader.fixed<uint8_t>();
  auto countEncoding = reader.fixed<uint8_t>();
  auto tableEncoding = reader.fixed<uint8_t>();
  // Every linker writes the sorted table as pairs of sdata4, relative to the header.
  if (reader.bad || version != 1 || tableEncoding != (kDataRelative | kSdata4)) return 0;
  reader.encoded(frameEncoding, table.header);
  uint64_t count = reader.encoded(countEncoding, table.header);
  struct Pair {
    int32_t start, fde;
  };
  if (reader.bad || count == 0 || count > (reader.end - reader.at) / sizeof(Pair)) return 0;
  const auto* pairs = reinterpret_cast<const Pair*>(reader.at);
  auto target = static_cast<int64_t>(address - table.header);
  uint64_t low = 0;
  uint64_t high = count;
  while (low < high) {
    uint64_t middle = low + (high - low) / 2;
    if (pairs[middle].start <= target) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low == 0 ? 0 : table.header + static_cast<uintptr_t>(static_cast<int64_t>(pairs[low - 1].fde));
}

}  // namespace

Row find_row(const Table& table, uintptr_t address, bool* found, uintptr_t* functionStart) {
  *found = false;
  if (table.header == 0) return Row{};
  uintptr_t fde = find_fde(table, address);
  EntryHead head;
  if (fde == 0 || !read_entry(fde, table, &head) || head.id == 0) return Row{};
  EntryHead cieHead;
  Cie cie;
  if (!read_entry(head.idPlace - head.id, table, &cieHead) || cieHead.id != 0 ||
      !read_cie(cieHead.body, &cie))
    return Row{};
  Reader body = head.body;
  uintptr_t start = body.encoded(cie.pointerEncoding, 0);
  uintptr_t length = body.encoded(cie.pointerEncoding & 0x0f, 0);
  if (body.bad || address < start || address - start >= length) return Row{};
  *found = true;
  if (functionStart != nullptr) *functionStart = start;
  if (cie.hasAugmentation) body.skip(body.uleb());
  Program program(cie, start, address);
  if (!program.run(cie.program)) return Row{};
  program.keep_initial();
  if (!program.run(body)) return Row{};
  return to_row(program.state(), cie.isSignal);
}

}  // namespace mp::unwind
