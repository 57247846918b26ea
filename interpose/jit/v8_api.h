// The little of V8's C++ API that the shim calls, declared weak: absent in a process without V8,
// bound by the loader without any dlsym (which would allocate when it fails, in the traced program's
// name). Checked against v8-callbacks.h of Node 20.20, 22.23, 24.21 and 26.10: identical.
#ifndef MEMPROF_JIT_V8_API_H
#define MEMPROF_JIT_V8_API_H

#include <stddef.h>
#include <stdint.h>

namespace mp::jit::v8api {

struct Isolate;
struct UnboundScript;

enum EventType : uint32_t {
  kAdded = 0,
  kMoved = 1,
  kRemoved = 2,
  kLineInfo = 3,
  kLineStart = 4,
  kLineEnd = 5
};
enum CodeType : uint32_t { kByteCode = 0, kJitCode = 1, kWasmCode = 2 };
enum PositionType : uint32_t { kPosition = 0, kStatementPosition = 1 };
enum Options : uint32_t { kEnumExisting = 1 };

struct JitCodeEvent {
  EventType type;
  CodeType codeType;
  // Machine code: its first instruction. Bytecode: its first bytecode, 54 or more bytes (a multiple
  // of 2) above the array's own address.
  uintptr_t codeStart;
  size_t codeLengthBytes;
  UnboundScript* script;  // a Local, one word; of kAdded; may be null
  void* userData;         // the handler sets it at kLineStart and gets it back
  void* wasmSourceInfo;
  union {
    struct {
      const char* text;  // not terminated; valid during the call only
      size_t bytes;
    } name;  // kAdded
    struct {
      size_t pcOffset;
      size_t sourcePosition;
      PositionType positionType;
    } line;                  // kLineInfo
    uintptr_t newCodeStart;  // kMoved
  };
  Isolate* isolate;
};
static_assert(offsetof(JitCodeEvent, codeStart) == 8);
static_assert(offsetof(JitCodeEvent, name) == 48);
static_assert(offsetof(JitCodeEvent, isolate) == 72);

using Handler = void (*)(const JitCodeEvent* event);

}  // namespace mp::jit::v8api

#define MP_V8_SYMBOL extern "C" __attribute__((weak, visibility("default")))
// v8::Isolate::TryGetCurrent
MP_V8_SYMBOL mp::jit::v8api::Isolate* _ZN2v87Isolate13TryGetCurrentEv();
// v8::Isolate::SetJitCodeEventHandler
MP_V8_SYMBOL void _ZN2v87Isolate22SetJitCodeEventHandlerENS_19JitCodeEventOptionsEPFvPKNS_12JitCodeEventEE(
    mp::jit::v8api::Isolate* isolate, mp::jit::v8api::Options options, mp::jit::v8api::Handler handler);
// v8::Isolate::GetEmbeddedCodeRange: the builtins as they stand in the executable's .text
MP_V8_SYMBOL void _ZN2v87Isolate20GetEmbeddedCodeRangeEPPKvPm(mp::jit::v8api::Isolate* isolate,
                                                              const void** start, size_t* lengthBytes);
// v8::UnboundScript::GetId, GetLineNumber, GetColumnNumber: numbers from 0 of a position in its source
MP_V8_SYMBOL int _ZNK2v813UnboundScript5GetIdEv(const mp::jit::v8api::UnboundScript* script);
MP_V8_SYMBOL int _ZN2v813UnboundScript13GetLineNumberEi(mp::jit::v8api::UnboundScript* script, int position);
MP_V8_SYMBOL int _ZN2v813UnboundScript15GetColumnNumberEi(mp::jit::v8api::UnboundScript* script,
                                                          int position);
MP_V8_SYMBOL int v8dbg_off_fp_bytecode_array;
MP_V8_SYMBOL int v8dbg_off_fp_bytecode_offset;
#undef MP_V8_SYMBOL

#endif
