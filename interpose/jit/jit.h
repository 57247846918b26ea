// JavaScript frames: which V8 code an address on the stack belongs to. V8 announces its code through
// Isolate::SetJitCodeEventHandler, whose symbols every Node from 20 to 26 exports with the same
// names and the same event struct; jit.cc keeps them in a CodeMap and gives each code object an id.
// Beside it goes the code's line table, for the reader to name the line of each call.
#ifndef MEMPROF_JIT_H
#define MEMPROF_JIT_H

#include <stddef.h>
#include <stdint.h>

namespace mp::jit {

// Lock-free, async-signal-safe, never allocates. pc: a return address (or the interrupted
// instruction) and fp: the frame pointer of that same frame; the caller guarantees that
// [fp-0x30, fp+0x10) is readable when fp is not 0. An encoded MP_FRAME_* (wire.h), or 0 when no
// announced code covers pc.
uint64_t frame(uintptr_t pc, uintptr_t fp);

// The code at pc runs bytecode (the interpreter's entry or one of its handlers): which frame it is
// depends on the words at fp-8, fp-0x20 and fp-0x28 too. The same rules as for frame().
bool is_interpreter_trampoline(uintptr_t pc);

// The same in parts, for those who remember them: what pc alone says (frame 0: no announced code covers
// it), and what the words at fp-0x20 and fp-0x28 say where the code runs bytecode and the word at fp-8 is
// odd (0: not known, and frame() says that it has no name). Each answer holds until the epoch changes;
// "not known" is no answer.
struct CodeAt {
  uint64_t frame;
  bool runsBytecode;
};
CodeAt code_at(uintptr_t pc);
uint64_t bytecode_frame(uintptr_t array, uintptr_t offsetWord);
constexpr intptr_t kArrayFromFrame = -0x20;
constexpr intptr_t kOffsetFromFrame = -0x28;

// Installs the handler for the thread's current isolate, once per isolate; nothing without V8 or
// without an isolate. Runs inside V8 (walks its heap) and allocates there: the caller keeps those
// allocations out of the recording, and never calls from an allocation hook.
void attach_current_isolate();

// The number of the thread's current isolate, as MP_META_CODE gives it; 0 where it is not known.
uint32_t current_isolate_number();

// Memory is about to be unmapped: code in it is code no more, and an address in it may soon be
// anything else. Cheap when the range never held code. Async-signal-safe.
void forget_range(uintptr_t start, size_t bytes);

// Changes whenever an address may name other code than before: what was kept of frames is void then.
uint32_t epoch();

// Code ids announced so far are below this.
uint32_t code_count();

void after_fork_child();

// Unit tests: where code objects are announced instead of meta::code.
using Announce = void (*)(uint32_t id, uint32_t kind, uint64_t start, uint64_t lengthBytes, uint32_t isolate,
                          const char* name, size_t nameBytes);
using AnnounceLines = void (*)(uint32_t id, int32_t scriptId, uint32_t entryCount, uint32_t runCount,
                               const uint8_t* bytes, size_t byteCount);
void announce_to(Announce announce, AnnounceLines announceLines);

}  // namespace mp::jit

// Provided by the shim: publishes a MP_META_CODE. May wait for the reader; called without a lock.
namespace mp::meta {
void code(uint32_t id, uint32_t kind, uint64_t start, uint64_t lengthBytes, uint32_t isolate,
          const char* name, size_t nameBytes);
// Publishes a MP_META_CODE_LINES. The same rules.
void code_lines(uint32_t id, int32_t scriptId, uint32_t entryCount, uint32_t runCount, const uint8_t* bytes,
                size_t byteCount);
}  // namespace mp::meta

#endif
