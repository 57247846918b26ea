#include "jit.h"

#include "../base.h"
#include "../os/os.h"
#include "../wire.h"
#include "code_map.h"
#include "line_tables.h"
#include "v8_api.h"

namespace mp::jit {

using namespace v8api;

namespace {

constexpr auto relaxed = std::memory_order_relaxed;
constexpr auto acquire = std::memory_order_acquire;
constexpr auto release = std::memory_order_release;

// A CodeRange's kind: MP_CODE_* and, beside it, whether a frame in this code is a bytecode frame.
constexpr uint32_t kWireKindMask = 0xff;
constexpr uint32_t kRunsBytecode = 0x100;

constexpr uint32_t kMaxCodeId = (1u << 28) - 1;

// BytecodeArray's header: 54 bytes in Node 20, 56 or 64 later. Which one is learnt from the first
// bytecode frame. The bounds make the guess safe: another array's first bytecode is at least two
// smallest headers above an array's address.
constexpr uint32_t kLeastHeaderBytes = 0x30;
constexpr uint32_t kMostHeaderBytes = 0x48;

// The isolates that have our handler. The thread is part of the key: a Worker's isolate may stand
// where an earlier Worker's stood. Forgetting one only costs a second enumeration.
struct Attached {
  Isolate* isolate;
  int tid;
};
constexpr uint32_t kAttachedCount = 256;

struct State {
  CodeMap map;
  LineTables lines;
  SpinLock writer;                    // map's writers; held for one event, never while meta::code may wait
  SpinLock attaching;                 // attached, attachedCount
  std::atomic<uint32_t> nextId;       // ids are from 1
  std::atomic<uint32_t> headerBytes;  // 0: not learnt yet
  // The announced entry trampoline (Node 22 and later map the builtins a second time, near their
  // heap's code, and announce that copy).
  std::atomic<uintptr_t> trampolineStart, trampolineBytes;
  // The builtins in .text and what leads from there to the announced copy.
  std::atomic<uintptr_t> textLow, textHigh, textToAnnounced, knownTwin;
  Attached attached[kAttachedCount];
  uint32_t attachedCount;
  // While an isolate tells what code it has, frames that had no name get one: each time counts as an
  // epoch, or a kept stack would keep its nameless frames.
  std::atomic<uint32_t> enumerating, namedCount;
};
State state;
Announce announce = meta::code;
AnnounceLines announceLines = meta::code_lines;

void note_named() {
  state.namedCount.fetch_add(1, release);
  note_change();
}

// FNV-1a: tells a second announcement of the same object from a new one.
uint32_t hash_of(const char* text, size_t bytes) {
  uint32_t hash = 0x811c9dc5;
  for (size_t i = 0; i < bytes; i++) hash = (hash ^ static_cast<unsigned char>(text[i])) * 0x01000193;
  return hash;
}

bool starts_with(const char* text, size_t bytes, const char* prefix) {
  size_t length = strlen(prefix);
  return bytes >= length && memcmp(text, prefix, length) == 0;
}

uint32_t kind_of(const JitCodeEvent& event) {
  if (event.codeType == kByteCode) return MP_CODE_BYTECODE;
  if (event.codeType == kWasmCode) return MP_CODE_OTHER;
  const char* name = event.name.text;
  size_t bytes = event.name.bytes;
  if (starts_with(name, bytes, "BytecodeHandler:")) return MP_CODE_BUILTIN | kRunsBytecode;
  if (starts_with(name, bytes, "Builtin:InterpreterEntryTrampoline")) return MP_CODE_BUILTIN | kRunsBytecode;
  if (starts_with(name, bytes, "Builtin:")) return MP_CODE_BUILTIN;
  if (starts_with(name, bytes, "JS:") || starts_with(name, bytes, "Function:") ||
      starts_with(name, bytes, "Script:") || starts_with(name, bytes, "Eval:")) {
    return MP_CODE_JIT;
  }
  return MP_CODE_OTHER;
}

uint32_t isolate_index(Isolate* isolate) {
  Locked locked(state.attaching);
  uint32_t count = state.attachedCount;
  for (uint32_t back = 1; back <= kAttachedCount && back <= count; back++) {
    if (state.attached[(count - back) % kAttachedCount].isolate == isolate) return count - back;
  }
  return 0;
}

struct LineSource {
  uint32_t id;
  int32_t scriptId;
  UnboundScript* script;
};

// V8 has the script's line ends at hand: it has just used them for the function's own line in the
// name. So nothing is allocated in its heap, and nothing moves, in the middle of its announcement.
bool place_of(void* context, uint32_t position, LinePlace* found) {
  UnboundScript* script = static_cast<LineSource*>(context)->script;
  int line = _ZN2v813UnboundScript13GetLineNumberEi(script, static_cast<int>(position));
  int column = _ZN2v813UnboundScript15GetColumnNumberEi(script, static_cast<int>(position));
  if (line < 0 || column < 0) return false;
  *found = {line + 1, column + 1};
  return true;
}

void publish_lines(void* context, uint32_t entryCount, uint32_t runCount, const uint8_t* bytes,
                   size_t byteCount) {
  auto* source = static_cast<LineSource*>(context);
  announceLines(source->id, source->scriptId, entryCount, runCount, bytes, byteCount);
}

// Does the name end with a line and a column? Then V8 knows the script's lines.
bool names_a_place(const char* text, size_t bytes) {
  size_t at = bytes;
  for (int parts = 0; parts < 2; parts++) {
    size_t end = at;
    while (at > 0 && text[at - 1] >= '0' && text[at - 1] <= '9') at--;
    if (at == end || at == 0 || text[at - 1] != ':') return false;
    at--;
  }
  return true;
}

void send_lines(const JitCodeEvent& event, uint32_t id, LineTable* table) {
  if (event.script == nullptr || &_ZNK2v813UnboundScript5GetIdEv == nullptr ||
      &_ZN2v813UnboundScript13GetLineNumberEi == nullptr ||
      &_ZN2v813UnboundScript15GetColumnNumberEi == nullptr ||
      _ZN2v87Isolate13TryGetCurrentEv() != event.isolate ||
      table->entries[table->count - 1].offset >= event.codeLengthBytes) {
    return;
  }
  LineSource source{id, _ZNK2v813UnboundScript5GetIdEv(event.script), event.script};
  // A position in machine code may be an inlined function's, in another script: the reader looks it up
  // among the positions of the function's bytecode.
  bool isBytecode = event.codeType == kByteCode && names_a_place(event.name.text, event.name.bytes);
  publish_table(table, {&source, isBytecode ? place_of : nullptr, publish_lines});
}

// The id of the code, new or known; 0: not kept.
uint32_t add_code(const JitCodeEvent& event) {
  uint32_t kind = kind_of(event);
  uint32_t tag = hash_of(event.name.text, event.name.bytes);
  uintptr_t start = event.codeStart;
  uint32_t lengthBytes = static_cast<uint32_t>(event.codeLengthBytes);
  if (lengthBytes == 0 || event.codeLengthBytes >> 32) return 0;
  if (event.codeType == kJitCode && event.name.bytes == strlen("Builtin:InterpreterEntryTrampoline") &&
      kind == (MP_CODE_BUILTIN | kRunsBytecode)) {
    state.trampolineBytes.store(lengthBytes, relaxed);
    state.trampolineStart.store(start, release);
  }
  CodeRange known;
  if (state.map.find(start, &known) && known.start == start && known.lengthBytes == lengthBytes &&
      known.kind == kind && known.tag == tag) {
    return known.id;  // announced twice: by the enumeration, or builtins that two isolates share
  }
  uint32_t id = state.nextId.fetch_add(1, relaxed) + 1;
  if (id > kMaxCodeId) {
    state.nextId.store(kMaxCodeId, relaxed);
    forget_range(start, lengthBytes);
    return 0;
  }
  // First the reader, then our own threads: no frame may carry an id that the reader cannot know.
  announce(id, kind & kWireKindMask, start, lengthBytes, isolate_index(event.isolate), event.name.text,
           event.name.bytes);
  Locked locked(state.writer);
  state.map.add({start, lengthBytes, id, kind, tag});
  return id;
}

void on_added(const JitCodeEvent& event) {
  LineTable* table = state.lines.take(event.codeStart);
  uint32_t id = add_code(event);
  if (state.enumerating.load(relaxed) != 0) note_named();
  if (table == nullptr) return;
  if (id != 0) send_lines(event, id, table);
  state.lines.give_back(table);
}

// Runs on any thread of the isolate, the collector's helpers included, several at a time, and in the
// middle of a collection: calls into V8 only where send_lines says why it may.
void on_event(const JitCodeEvent* event) {
  switch (event->type) {
    case kAdded:
      on_added(*event);
      break;
    case kMoved: {
      state.lines.move(event->codeStart, event->newCodeStart);
      Locked locked(state.writer);
      state.map.move(event->codeStart, event->newCodeStart);
      break;
    }
    case kRemoved: {
      Locked locked(state.writer);
      state.map.remove(event->codeStart);
      break;
    }
    case kLineStart:
      // What V8 expects of a handler, though it gives the event as const.
      const_cast<JitCodeEvent*>(event)->userData = state.lines.begin();
      break;
    case kLineInfo:
      // Each statement's position comes a second time as a plain one.
      if (event->userData != nullptr && event->line.positionType == kPosition) {
        state.lines.add(static_cast<LineTable*>(event->userData), event->line.pcOffset,
                        event->line.sourcePosition);
      }
      break;
    case kLineEnd:
      if (event->userData != nullptr) {
        state.lines.end(static_cast<LineTable*>(event->userData), event->codeStart);
      }
      break;
  }
}

// The return address of a last call may be the first byte after its code, so the byte before counts
// first; the interrupted instruction may be the very first, so the byte itself counts next.
bool find_at(uintptr_t pc, CodeRange* code) {
  return state.map.find(pc - 1, code) || state.map.find(pc, code);
}

// Where *pc is in the .text copy of the builtins, changes it to the announced copy.
bool find_code(uintptr_t* pc, CodeRange* code) {
  if (find_at(*pc, code)) return true;
  uintptr_t high = state.textHigh.load(acquire);
  if (*pc >= high || *pc < state.textLow.load(relaxed)) return false;
  *pc += state.textToAnnounced.load(relaxed);
  return find_at(*pc, code);
}

// Finds the announced trampoline's twin in .text. Builtins are mapped again page by page, so the
// twin stands at the same place within a page and has the same bytes; two such places would prove
// nothing and are not used.
void learn_text_copy(Isolate* isolate) {
  if (_ZN2v87Isolate20GetEmbeddedCodeRangeEPPKvPm == nullptr) return;
  const void* text = nullptr;
  size_t textBytes = 0;
  _ZN2v87Isolate20GetEmbeddedCodeRangeEPPKvPm(isolate, &text, &textBytes);
  uintptr_t start = state.trampolineStart.load(acquire);
  uintptr_t bytes = state.trampolineBytes.load(relaxed);
  uintptr_t low = reinterpret_cast<uintptr_t>(text);
  uintptr_t high = low + textBytes;
  if (low == 0 || start == 0 || (start >= low && start < high)) return;
  // One announced copy serves: each isolate may have its own, all with the same layout. Another is
  // needed only once that isolate's has been unmapped.
  CodeRange code;
  uintptr_t known = state.knownTwin.load(relaxed);
  if (known != 0 && find_code(&known, &code)) return;
  uintptr_t twin = 0;
  uintptr_t first = (low & ~uintptr_t{MP_PAGE - 1}) + start % MP_PAGE;
  for (uintptr_t at = first; at + bytes <= high; at += MP_PAGE) {
    if (at < low || memcmp(reinterpret_cast<void*>(at), reinterpret_cast<void*>(start), bytes) != 0) continue;
    if (twin != 0) return;
    twin = at;
  }
  if (twin == 0) return;
  state.textHigh.store(0, release);  // no reader may mix the old difference with the new bounds
  state.textToAnnounced.store(start - twin, relaxed);
  state.textLow.store(low, relaxed);
  state.knownTwin.store(twin, relaxed);
  state.textHigh.store(high, release);
}

bool remember_isolate(Isolate* isolate) {
  int tid = os::tid();
  Locked locked(state.attaching);
  uint32_t count = state.attachedCount;
  for (uint32_t i = 0; i < count && i < kAttachedCount; i++) {
    if (state.attached[i].isolate == isolate && state.attached[i].tid == tid) return false;
  }
  state.attached[count % kAttachedCount] = {isolate, tid};
  state.attachedCount = count + 1;
  note_change();
  return true;
}

uint64_t encode(uint64_t kind, uint64_t id, uint64_t offset) { return kind << 60 | id << 32 | offset; }

uintptr_t word_at(uintptr_t fp, intptr_t offset) { return *reinterpret_cast<const uintptr_t*>(fp + offset); }

// offsetWord: a Smi, its value in the upper half; counts from the array's tagged address.
bool find_bytecode(uintptr_t array, uintptr_t offsetWord, CodeRange* code, uint32_t* offset) {
  uint32_t known = state.headerBytes.load(relaxed);
  uint32_t most = known != 0 ? known : kMostHeaderBytes;
  uint64_t fromTagged = offsetWord >> 32;
  for (uint32_t header = known != 0 ? known : kLeastHeaderBytes; header <= most; header += 2) {
    uintptr_t start = array - 1 + header;
    if (!state.map.find(start, code) || code->start != start || code->kind != MP_CODE_BYTECODE) continue;
    uint64_t value = fromTagged - (header - 1);
    if (value >= code->lengthBytes) continue;
    if (known == 0) state.headerBytes.store(header, relaxed);
    *offset = static_cast<uint32_t>(value);
    return true;
  }
  return false;
}

}  // namespace

CodeAt code_at(uintptr_t pc) {
  CodeRange code;
  if (!find_code(&pc, &code)) return {0, false};
  uint32_t kind = code.kind & kWireKindMask;
  if (kind == MP_CODE_BYTECODE) return {0, false};  // nobody returns into bytecode
  return {encode(kind == MP_CODE_BUILTIN ? MP_FRAME_BUILTIN : MP_FRAME_JS_CODE, code.id, pc - code.start),
          (code.kind & kRunsBytecode) != 0};
}

uint64_t bytecode_frame(uintptr_t array, uintptr_t offsetWord) {
  CodeRange code;
  uint32_t offset;
  if ((array & 1) == 0 || (offsetWord & 0xffffffff) != 0 || !find_bytecode(array, offsetWord, &code, &offset))
    return 0;
  return encode(MP_FRAME_JS_BYTECODE, code.id, offset);
}

uint64_t frame(uintptr_t pc, uintptr_t fp) {
  CodeAt code = code_at(pc);
  // The word under fp is the context (a heap object, its low bit set) in a JavaScript frame, and a
  // frame type (low bit clear) where a handler has made a frame of its own above the bytecode's.
  if (!code.runsBytecode || fp == 0 || (word_at(fp, -8) & 1) == 0) return code.frame;
  uint64_t named = bytecode_frame(word_at(fp, kArrayFromFrame), word_at(fp, kOffsetFromFrame));
  return named != 0 ? named : uint64_t{MP_FRAME_V8_UNNAMED} << 60 | (pc & 0xffffffffffff);
}

bool is_interpreter_trampoline(uintptr_t pc) {
  CodeRange code;
  return find_code(&pc, &code) && (code.kind & kRunsBytecode) != 0;
}

uint32_t current_isolate_number() {
  if (_ZN2v87Isolate13TryGetCurrentEv == nullptr) return 0;
  Isolate* isolate = _ZN2v87Isolate13TryGetCurrentEv();
  return isolate == nullptr ? 0 : isolate_index(isolate);
}

void attach_current_isolate() {
  if (_ZN2v87Isolate13TryGetCurrentEv == nullptr ||
      _ZN2v87Isolate22SetJitCodeEventHandlerENS_19JitCodeEventOptionsEPFvPKNS_12JitCodeEventEE == nullptr) {
    return;
  }
  Isolate* isolate = _ZN2v87Isolate13TryGetCurrentEv();
  if (isolate == nullptr || !remember_isolate(isolate)) return;
  // So in every Node from 20 to 26. Elsewhere nothing is known of V8's frames.
  if ((&v8dbg_off_fp_bytecode_array != nullptr && v8dbg_off_fp_bytecode_array != kArrayFromFrame) ||
      (&v8dbg_off_fp_bytecode_offset != nullptr && v8dbg_off_fp_bytecode_offset != kOffsetFromFrame))
    return;
  state.enumerating.fetch_add(1, relaxed);
  _ZN2v87Isolate22SetJitCodeEventHandlerENS_19JitCodeEventOptionsEPFvPKNS_12JitCodeEventEE(
      isolate, kEnumExisting, on_event);
  state.enumerating.fetch_sub(1, relaxed);
  learn_text_copy(isolate);
  note_named();
}

void forget_range(uintptr_t start, size_t bytes) {
  if (state.map.is_untouched(start, start + bytes)) return;
  if (state.writer.try_lock()) {
    state.map.forget(start, start + bytes);
    state.writer.unlock();
  } else {
    // Another thread writes, or this thread did when a signal came: never wait here.
    state.map.hide(start, start + bytes);
  }
}

uint32_t epoch() {
  return state.map.epoch() + state.attachedCount + state.namedCount.load(std::memory_order_acquire);
}

uint32_t code_count() { return state.nextId.load(relaxed) + 1; }

void announce_to(Announce given, AnnounceLines givenLines) {
  announce = given;
  announceLines = givenLines;
}

void after_fork_child() {
  state.writer.reset();
  state.attaching.reset();
  state.lines.after_fork_child();
}

}  // namespace mp::jit
