// Puts functions of ours in the place of those that an image imports, by writing its relocated slots: the
// executable's own exports win over a preload, so addons' calls into Node can be met only there.
#ifndef MEMPROF_NAPI_ELF_PATCH_H
#define MEMPROF_NAPI_ELF_PATCH_H

#include <link.h>
#include <stddef.h>
#include <stdint.h>

namespace mp::napi {

struct Replacement {
  uintptr_t original;  // 0: nothing to replace
  uintptr_t ours;
};
using FindReplacement = Replacement (*)(const char* name);

struct ElfImage {
  uintptr_t base;  // load bias
  const ElfW(Phdr) * headers;
  size_t headerCount;
};

// Returns how many slots hold our functions now. Slots that hold anything but the original (or, if bound
// lazily, the image's own stub) are left alone. Threads that call through a slot meanwhile get either.
// pre: the image is relocated; nobody else patches it or changes its protection.
size_t patch_imports(const ElfImage& image, FindReplacement find);

}  // namespace mp::napi

#endif
