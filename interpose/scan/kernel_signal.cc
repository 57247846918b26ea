#include "kernel_signal.h"

#include "../os/raw.h"

namespace mp::scan {
namespace {

constexpr unsigned long kRestorer = 0x04000000;

// rt_sigreturn, as the C library's own has it.
__attribute__((naked)) void restore() { __asm__ volatile("mov $15, %eax\n\tsyscall\n\t"); }

}  // namespace

long exchange_action(int signal, const KernelAction* next, KernelAction* before) {
  return os::raw::call(SYS_rt_sigaction, signal, os::raw::pointer(next), os::raw::pointer(before), 8);
}

long set_action(int signal, Handler handler, unsigned long flags, uint64_t blocked) {
  KernelAction action{handler, flags | kRestorer, restore, blocked};
  return exchange_action(signal, &action, nullptr);
}

long set_default_action(int signal) {
  KernelAction action{};
  return exchange_action(signal, &action, nullptr);
}

uint64_t set_blocked_signals(uint64_t mask) {
  uint64_t before = 0;
  os::raw::call(SYS_rt_sigprocmask, SIG_SETMASK, os::raw::pointer(&mask), os::raw::pointer(&before), 8);
  return before;
}

}  // namespace mp::scan
