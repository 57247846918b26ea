// The loaded images: which one an address belongs to, where its unwind table is, and their
// announcement to the reader. Ids are dense, never reused, and kept when an image is unloaded.
//
// Must not import hooks/ or unwind/.
#ifndef MEMPROF_MODULES_H
#define MEMPROF_MODULES_H

#include <dlfcn.h>
#include <stddef.h>
#include <stdint.h>

namespace mp::modules {

struct Module {
  uint32_t id;
  bool gone;
  bool keepsFramePointers;  // code without rows keeps rbp chains here: V8's embedded builtins
  uintptr_t base;           // load bias
  uintptr_t low, high;
  uintptr_t ehFrameHeader;  // 0: none
  uintptr_t end;            // of the readable image that holds the unwind tables
  const void* linkMap;
  uintptr_t codeLow, codeHigh;  // its largest executable segment
  // Its first two writable segments: where the addresses of other images' functions are kept.
  uintptr_t dataLow[2], dataHigh[2];
};

// Lock-free in the usual case. nullptr: the address is in no loaded image.
const Module* find(uintptr_t address);

// Reads the list of images anew (start, dlclose): announces new ones, marks those that are gone.
void rescan();
// The loader's own lookup (glibc 2.35 and later), found once at start; nullptr: there is none.
using FindObject = int (*)(void*, dl_find_object*);
void use_loader_lookup(FindObject find);
// dlopen is about to run. Matters only where the loader cannot be asked about an address.
void expect_new();
// V8 is in one of the images.
bool has_v8();
// Announces all known images: at the join, and again in a fork's child.
void announce_all();
void after_fork_child();

// Raised whenever an image went away: every cached row and every kept stack is then void.
uint32_t generation();
void raise_generation();

}  // namespace mp::modules

#endif
