// Recovers a row for code that has none, by reading the code: from a return address forward to the
// function's end, along every path up to a bound, keeping account of the stack pointer and of where
// rbp is restored from. A row is given only where all paths that reach an end agree, or where the
// call that brought us here proves one of them.
//
// What makes a wrong answer unlikely, and what is then still tested:
//   - the psABI aligns the stack to 16 bytes at every call, so an end that is not 8 away from that is
//     no end of this function: running into the next function after a call that never returns shows
//   - the word found as return address must follow a call instruction, in a known module's code
//   - where that call names its target, the code from there must come to our return address with the
//     same depth of stack; a different depth refutes the row
//
// Allowed: no allocation, no lock, all state in Scratch (a thread's stack may be small).
// Must not import anything but base.h, rows.h and instruction.h.
#ifndef MEMPROF_RECOVER_H
#define MEMPROF_RECOVER_H

#include "../base.h"
#include "instruction.h"
#include "rows.h"

namespace mp::unwind {

// Bytes that may be read as code: an executable segment.
struct Code {
  uintptr_t low, high;
  bool holds(uintptr_t address) const { return address >= low && address < high; }
};

// A value as an offset from something that was there when reading began.
struct Place {
  enum Kind : uint8_t {
    kLost,
    kStack,   // the stack pointer at the beginning
    kFrame,   // rbp at the beginning
    kAtWord,  // a word of the frame
  } kind = kLost;
  int32_t offset = 0;
};

// Where a path stands, and what it knows.
struct PathState {
  uintptr_t at = 0;
  Place sp;
  Place rbp;               // kFrame + 0: as it was
  bool rbpLoaded = false;  // rbp is the word at `rbp`, not that place
  Place savedAt;           // where this path itself put rbp
  Place saved;
  bool savedLoaded = false;
  // Registers that hold a word of the frame: its place. A function that aligns its stack keeps its CFA
  // in one.
  Place copies[16];
  Place spWord;  // sp.kind kAtWord: the word that sp.offset counts from
};

constexpr uint32_t kRowChoices = 4;

struct Scratch {
  static constexpr uint32_t kVisited = 8192;
  static constexpr uint32_t kQueued = 128;
  uint64_t visited[kVisited];  // hashes; 0: free
  PathState queue[kQueued];
  Row rows[kRowChoices];
  // Where rbp must point for the row to be right, from the stack pointer; 0: anywhere.
  int32_t frameAt[kRowChoices];
};

// The distinct rows that the paths from a return address give, in scratch.rows. More than
// kRowChoices: none is to be believed.
uint32_t read_rows(Scratch& scratch, const Code& code, uintptr_t returnAddress);

enum class Proof : uint8_t { kProven, kUnknown, kRefuted };

// Whether code that is entered at `function` comes to `returnAddress` with the depth of stack that
// `row` says.
Proof prove_row(Scratch& scratch, const Code& code, uintptr_t function, uintptr_t returnAddress,
                const Row& row);

// The call instruction that ends at returnAddress. kBad: there is none.
Instruction call_before(const Code& code, uintptr_t returnAddress);

// Rows that were recovered (or could not be), shared by all threads: keyed by module and offset,
// which stay true when the image is gone. False: not there.
bool known_row(uint64_t key, Row* row);
void keep_row(uint64_t key, const Row& row);

}  // namespace mp::unwind

#endif
