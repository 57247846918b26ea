#include "pages.h"

#include <fcntl.h>

#include "../os/raw.h"

namespace mp::scan {

using os::raw::call;
using os::raw::pointer;

void Pages::open() {
  descriptor_ = static_cast<int>(
      call(SYS_openat, AT_FDCWD, os::raw::text("/proc/self/pagemap"), O_RDONLY | O_CLOEXEC, 0));
}

bool Pages::ask_pagemap(uintptr_t at, size_t count, bool isFile) {
  if (descriptor_ < 0) return false;
  size_t bytes = count * sizeof(uint64_t);
  long got = call(SYS_pread64, descriptor_, pointer(entries_), static_cast<long>(bytes),
                  static_cast<long>(at / os::kPageBytes * sizeof(uint64_t)));
  if (got != static_cast<long>(bytes)) return false;
  constexpr uint64_t kPresent = uint64_t{1} << 63;
  constexpr uint64_t kSwapped = uint64_t{1} << 62;
  constexpr uint64_t kOfFile = uint64_t{1} << 61;
  for (size_t i = 0; i < count; ++i) {
    held_[i] = (entries_[i] & (kPresent | kSwapped)) != 0 && !(isFile && (entries_[i] & kOfFile) != 0);
  }
  return true;
}

bool Pages::ask_mincore(uintptr_t at, size_t count) {
  auto* resident = reinterpret_cast<unsigned char*>(entries_);
  if (call(SYS_mincore, static_cast<long>(at), static_cast<long>(count * os::kPageBytes),
           pointer(resident)) != 0)
    return false;
  for (size_t i = 0; i < count; ++i) held_[i] = (resident[i] & 1) != 0;
  return true;
}

}  // namespace mp::scan
