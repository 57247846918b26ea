// The kernel, asked directly: the C library's wrappers set errno, may be cancellation points and may be
// hooked. Linux on x86-64 only; for os/ and scan/.
#ifndef MEMPROF_OS_RAW_H
#define MEMPROF_OS_RAW_H

#include <sys/syscall.h>

namespace mp::os::raw {

// The kernel's answer: negative errno on failure.
inline long call(long number, long a = 0, long b = 0, long c = 0, long d = 0, long e = 0, long f = 0) {
  long result;
  register long r10 __asm__("r10") = d;
  register long r8 __asm__("r8") = e;
  register long r9 __asm__("r9") = f;
  __asm__ volatile("syscall"
                   : "=a"(result)
                   : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                   : "rcx", "r11", "memory");
  return result;
}

inline bool failed(long result) { return result < 0 && result > -4096; }

inline long text(const char* path) { return reinterpret_cast<long>(path); }
inline long pointer(const void* address) { return reinterpret_cast<long>(address); }

}  // namespace mp::os::raw

#endif
