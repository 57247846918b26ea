#include "interrupted.h"

#include <errno.h>
#include <linux/futex.h>
#include <time.h>

#include "../os/os.h"
#include "../os/raw.h"
#include "../text.h"

namespace mp::scan {
namespace {

constexpr uint64_t kForEver = 0xffffffffu;  // -1 as an int, as the kernel shows it

struct Waiting {
  uint64_t number;
  uint64_t argument[6];
};

// Begun anew it must end when it would have ended: without a timeout, with one that is a point in time, or
// where the kernel has left what remains in the very place that it reads.
bool can_be_begun_anew(const Waiting& waiting) {
  const uint64_t* argument = waiting.argument;
  switch (waiting.number) {
    case SYS_poll:
      return (argument[2] & kForEver) == kForEver;
    case SYS_epoll_wait:
    case SYS_epoll_pwait:
      return (argument[3] & kForEver) == kForEver;
    case SYS_epoll_pwait2:
      return argument[3] == 0;
    case SYS_select:
    case SYS_pselect6:
      return argument[4] == 0;
    case SYS_ppoll:
      return argument[2] == 0;
    case SYS_nanosleep:
      return argument[0] == argument[1];
    case SYS_clock_nanosleep:
      return (argument[1] & TIMER_ABSTIME) != 0 || argument[2] == argument[3];
    case SYS_futex:
      return (argument[1] & FUTEX_CMD_MASK) == FUTEX_WAIT_BITSET;
    case SYS_rt_sigtimedwait:
      return argument[2] == 0;
    case SYS_semop:
      return true;
    default:
      return false;
  }
}

}  // namespace

uintptr_t interrupted_call(uint32_t tid) {
  char path[64];
  Text{path, path + sizeof path}.add("/proc/self/task/").add(tid).add("/syscall");
  char line[256];
  long got = os::read_file(path, line, sizeof line - 1);
  if (got <= 0 || line[0] < '0' || line[0] > '9') return 0;  // "running", or not inside a call
  line[got] = '\0';
  Waiting waiting{parse_decimal(line), {}};
  const char* at = line;
  for (uint64_t& argument : waiting.argument) {
    at = strstr(at, " 0x");
    if (at == nullptr) return 0;
    at += 3;
    argument = parse_hex(&at);
  }
  return can_be_begun_anew(waiting) ? waiting.number + 1 : 0;
}

void begin_anew(ucontext_t* context, uintptr_t interrupted) {
  greg_t* general = context->uc_mcontext.gregs;
  auto pc = static_cast<uintptr_t>(general[REG_RIP]);
  if (general[REG_RAX] != -EINTR) return;
  // Still in that very call, and not in the next one: `mov $number, %eax; syscall` stands before. The other
  // registers are as they were.
  const auto* code = reinterpret_cast<const uint8_t*>(pc - 7);
  auto number = static_cast<uint32_t>(interrupted - 1);
  if (code[0] != 0xb8 || memcmp(code + 1, &number, sizeof number) != 0 || code[5] != 0x0f || code[6] != 0x05)
    return;
  general[REG_RAX] = number;
  general[REG_RIP] = static_cast<greg_t>(pc - 2);
}

}  // namespace mp::scan
