// Signal dispositions as the kernel has them. The C library's sigaction may be hooked by the program, and
// refuses the signals that it keeps for itself.
#ifndef MEMPROF_SCAN_KERNEL_SIGNAL_H
#define MEMPROF_SCAN_KERNEL_SIGNAL_H

#include <signal.h>
#include <stdint.h>

namespace mp::scan {

using Handler = void (*)(int, siginfo_t*, void*);

struct KernelAction {
  Handler handler;
  unsigned long flags;
  void (*restorer)();
  uint64_t mask;
};

constexpr int kSignals = 64;

// blocked: signals that wait while the handler runs. Answers are the kernel's: 0, or negative errno.
long set_action(int signal, Handler handler, unsigned long flags, uint64_t blocked);
long set_default_action(int signal);
long exchange_action(int signal, const KernelAction* next, KernelAction* before);

// 1 << (signal - 1) for each signal.
uint64_t set_blocked_signals(uint64_t mask);

}  // namespace mp::scan

#endif
