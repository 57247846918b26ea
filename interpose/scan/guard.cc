#include "guard.h"

#include <ucontext.h>

#include "kernel_signal.h"

// The one load that may fault, and where it goes on if it does.
extern "C" bool memprof_try_page(uintptr_t address);
extern "C" const char memprof_try_page_failed[];
__asm__(
    ".text\n"
    ".hidden memprof_try_page\n"
    ".globl memprof_try_page\n"
    ".type memprof_try_page, @function\n"
    "memprof_try_page:\n"
    "  movb (%rdi), %al\n"
    "  mov $1, %eax\n"
    "  ret\n"
    ".size memprof_try_page, .-memprof_try_page\n"
    ".hidden memprof_try_page_failed\n"
    ".globl memprof_try_page_failed\n"
    "memprof_try_page_failed:\n"
    "  xor %eax, %eax\n"
    "  ret\n");

namespace mp::scan {
namespace {

void on_fault(int signal, siginfo_t*, void* context) {
  greg_t& pc = static_cast<ucontext_t*>(context)->uc_mcontext.gregs[REG_RIP];
  if (pc == reinterpret_cast<greg_t>(&memprof_try_page)) {
    pc = reinterpret_cast<greg_t>(memprof_try_page_failed);
  } else {
    // A fault of our own: the default action, at the same instruction.
    set_default_action(signal);
  }
}

}  // namespace

bool can_read(uintptr_t address) { return memprof_try_page(address); }

void guard_reads() {
  set_action(SIGSEGV, on_fault, SA_SIGINFO, 0);
  set_action(SIGBUS, on_fault, SA_SIGINFO, 0);
}

}  // namespace mp::scan
