#include "stop.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <signal.h>
#include <ucontext.h>

#include "../os/os.h"
#include "../os/raw.h"
#include "../ring/process.h"
#include "../ring/thread.h"
#include "interrupted.h"
#include "kernel_signal.h"
#include "../text.h"

namespace mp::scan {
namespace {

using os::raw::call;
using os::raw::failed;
using os::raw::pointer;

constexpr uint64_t kPatienceNs = 100'000'000;
// So long a thread may stay inside the shim before it is stopped there.
constexpr uint64_t kInsidePatienceNs = 40'000'000;
// After this the kernel is asked whether a thread blocks the signal.
constexpr uint64_t kSuspicionNs = 3'000'000;

// Never given back: a handler that comes late must find it.
Thread* g_threads = nullptr;
std::atomic<uint32_t> g_turn{0};  // odd: threads are being stopped, or stand still
int g_signal = 0;
KernelAction g_before;

uint64_t state_of(uint32_t turn, Standing standing) {
  return uint64_t{turn} << 8 | static_cast<uint64_t>(standing);
}

// What goes with the signal: which thread it is for, which turn it belongs to, and whether the thread is
// to stop inside the shim too.
struct Summons {
  uint32_t turn;
  uint32_t index;
  bool evenInside;
  void* packed() const {
    return reinterpret_cast<void*>(uint64_t{turn} << 32 | uint64_t{index} << 1 | (evenInside ? 1u : 0u));
  }
  static Summons from(const void* word) {
    auto bits = reinterpret_cast<uint64_t>(word);
    return Summons{static_cast<uint32_t>(bits >> 32), static_cast<uint32_t>(bits & 0xffffffff) >> 1,
                   (bits & 1) != 0};
  }
};

uintptr_t control_block() {
  uintptr_t self;
  // The block's own address stands in it; reading the register itself needs a newer kernel.
  __asm__("mov %%fs:16, %0" : "=r"(self));
  return self;
}

void save_registers(Thread& thread, ucontext_t* context) {
  const greg_t* general = context->uc_mcontext.gregs;
  thread.pc = static_cast<uintptr_t>(general[REG_RIP]);
  thread.sp = static_cast<uintptr_t>(general[REG_RSP]);
  thread.rbp = static_cast<uintptr_t>(general[REG_RBP]);
  thread.controlBlock = control_block();
  thread.registers = reinterpret_cast<uintptr_t>(general);
  thread.registersEnd = thread.registers + 16 * sizeof *general;  // not the flags and the segments
  thread.vectors = reinterpret_cast<uintptr_t>(context->uc_mcontext.fpregs);
  thread.vectorsEnd = thread.vectors;
  if (thread.vectors == 0) return;
  constexpr uintptr_t kLegacyBytes = 512;
  constexpr uintptr_t kSoftwareAt = 464;  // struct _fpx_sw_bytes: magic, size of all that was saved
  uint32_t software[2];
  memcpy(software, reinterpret_cast<const void*>(thread.vectors + kSoftwareAt), sizeof software);
  bool isExtended = software[0] == 0x46505853u && software[1] >= kLegacyBytes && software[1] < (1u << 16);
  thread.vectorsEnd += isExtended ? software[1] : kLegacyBytes;
}

void on_stop(int, siginfo_t* info, void* context) {
  if (info->si_code != SI_QUEUE) return;
  Summons summons = Summons::from(info->si_value.sival_ptr);
  if (summons.turn != g_turn.load(std::memory_order_acquire) || summons.index >= kMaxThreads) return;
  Thread& thread = g_threads[summons.index];
  const mp::thread::Local& local = mp::thread::t_local;
  bool isInside = local.muted != 0 || (local.state != nullptr && local.state->inside != 0);
  uint64_t asked = state_of(summons.turn, Standing::kAsked);
  Standing next = isInside && !summons.evenInside ? Standing::kInside : Standing::kFilling;
  if (!thread.state.compare_exchange_strong(asked, state_of(summons.turn, next), std::memory_order_acq_rel) ||
      next == Standing::kInside) {
    return;
  }
  save_registers(thread, static_cast<ucontext_t*>(context));
  thread.state.store(state_of(summons.turn, Standing::kStopped), std::memory_order_release);
  while (g_turn.load(std::memory_order_acquire) == summons.turn) {
    call(SYS_futex, pointer(&g_turn), FUTEX_WAIT_PRIVATE, summons.turn, 0);
  }
  if (thread.context != 0) begin_anew(static_cast<ucontext_t*>(context), thread.context);
}

bool is_ours(const KernelAction& known) { return known.handler == on_stop; }

// 32 first: the C library's calls never block it, so all its threads hear it. In use once a thread was
// cancelled; then any other real-time signal that nobody uses.
bool take_signal() {
  for (int signal = 32; signal <= 64; signal = signal == 32 ? 64 : signal - 1) {
    if (signal == 33) return false;
    KernelAction known{};
    if (exchange_action(signal, nullptr, &known) != 0) continue;
    if (!is_ours(known) && known.handler != nullptr) continue;
    if (set_action(signal, on_stop, SA_SIGINFO | SA_RESTART | SA_ONSTACK, ~uint64_t{0}) != 0) continue;
    g_signal = signal;
    g_before = is_ours(known) ? KernelAction{} : known;
    return true;
  }
  return false;
}

// The signal gets its default back, which would end the process: only if none is still under way.
void give_signal_back(bool mayComeLate) {
  if (mayComeLate) return;
  KernelAction now{};
  if (exchange_action(g_signal, &g_before, &now) == 0 && !is_ours(now))
    exchange_action(g_signal, &now, nullptr);
}

void summon(uint32_t turn, uint32_t index, bool evenInside) {
  Thread& thread = g_threads[index];
  thread.state.store(state_of(turn, Standing::kAsked), std::memory_order_release);
  siginfo_t info;
  memset(&info, 0, sizeof info);
  info.si_signo = g_signal;
  info.si_code = SI_QUEUE;
  info.si_pid = g_process.pid;
  info.si_value.sival_ptr = Summons{turn, index, evenInside}.packed();
  long sent = call(SYS_rt_tgsigqueueinfo, os::pid(), thread.tid, g_signal, pointer(&info));
  if (sent == -ESRCH) thread.state.store(state_of(turn, Standing::kGone), std::memory_order_release);
  // Too many signals are queued for this user: the thread goes on.
  else if (sent != 0)
    thread.state.store(state_of(turn, Standing::kRunning), std::memory_order_release);
}

constexpr size_t kPathBytes = 64;

void path_of(char (&path)[kPathBytes], uint32_t tid, const char* file) {
  Text{path, path + sizeof path}.add("/proc/self/task/").add(tid).add(file);
}

// Whether the thread blocks the signal or is gone: then there is nothing to wait for.
bool will_not_answer(const Thread& thread, bool* isGone) {
  char path[kPathBytes];
  path_of(path, thread.tid, "/status");
  char status[4096];
  long got = os::read_file(path, status, sizeof status - 1);
  *isGone = got <= 0;
  if (got <= 0) return true;
  status[got] = '\0';
  const char* line = strstr(status, "\nSigBlk:");
  if (line == nullptr) return false;
  line += 8;
  while (*line == '\t' || *line == ' ') ++line;
  uint64_t mask = parse_hex(&line);
  return (mask >> (g_signal - 1) & 1) != 0;
}

// Adds threads that are not known yet; returns how many.
uint32_t find_threads(Stop* stop, uint32_t turn, uint32_t self) {
  long folder =
      call(SYS_openat, AT_FDCWD, os::raw::text("/proc/self/task"), O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
  if (failed(folder)) return 0;
  uint32_t added = 0;
  alignas(8) char entries[4096];
  for (;;) {
    long got = call(SYS_getdents64, folder, pointer(entries), sizeof entries);
    if (got <= 0) break;
    for (long at = 0; at < got;) {
      // linux_dirent64: inode, offset, uint16 length, uint8 type, name.
      uint16_t length;
      memcpy(&length, entries + at + 16, sizeof length);
      const char* name = entries + at + 19;
      at += length;
      uint32_t tid = parse_decimal(name);
      if (tid == 0 || tid == self) continue;
      bool isKnown = false;
      for (uint32_t i = 0; i < stop->count && !isKnown; ++i) isKnown = g_threads[i].tid == tid;
      if (isKnown) continue;
      if (stop->count == kMaxThreads) {
        ++stop->unlisted;
        continue;
      }
      Thread& thread = g_threads[stop->count];
      thread.tid = tid;
      thread.pc = thread.sp = thread.rbp = thread.controlBlock = 0;
      thread.registers = thread.registersEnd = thread.vectors = thread.vectorsEnd = 0;
      thread.context = interrupted_call(tid);
      summon(turn, stop->count++, false);
      ++added;
    }
  }
  call(SYS_close, folder);
  return added;
}

// Until all that were asked have answered, or the deadline.
void await_answers(Stop* stop, uint32_t turn, uint64_t begin) {
  bool hasAsked = false;
  for (uint64_t pauseNs = 5'000;; pauseNs = pauseNs < 200'000 ? pauseNs * 2 : pauseNs) {
    uint64_t spentNs = os::monotonic_ns() - begin;
    uint32_t waiting = 0;
    bool isSuspicious = spentNs > kSuspicionNs && !hasAsked;
    for (uint32_t i = 0; i < stop->count; ++i) {
      Thread& thread = g_threads[i];
      Standing standing = thread.standing();
      if (standing == Standing::kInside) {
        summon(turn, i, spentNs > kInsidePatienceNs);
        ++waiting;
      } else if (standing == Standing::kAsked || standing == Standing::kFilling) {
        ++waiting;
        bool isGone = false;
        bool isOver = spentNs > kPatienceNs;
        if (standing == Standing::kAsked && (isOver || (isSuspicious && will_not_answer(thread, &isGone)))) {
          uint64_t asked = state_of(turn, Standing::kAsked);
          thread.state.compare_exchange_strong(asked,
                                               state_of(turn, isGone ? Standing::kGone : Standing::kRunning));
        }
      }
    }
    if (isSuspicious) hasAsked = true;
    if (waiting == 0) return;
    // 64 threads answer within a few of these.
    if (pauseNs < 20'000)
      os::yield();
    else
      os::sleep_ns(pauseNs);
  }
}

// "running", or the call's number, its arguments, sp and pc.
void ask_kernel_for_stack(Thread& thread) {
  char path[kPathBytes];
  path_of(path, thread.tid, "/syscall");
  char line[256];
  long got = os::read_file(path, line, sizeof line - 1);
  if (got <= 0) return;
  line[got] = '\0';
  const char* word = line;
  uintptr_t last[2] = {0, 0};
  for (const char* at = strstr(word, " 0x"); at != nullptr; at = strstr(at, " 0x")) {
    at += 3;
    last[0] = last[1];
    last[1] = parse_hex(&at);
  }
  thread.sp = last[0];
  thread.pc = last[1];
}

}  // namespace

bool stop_others(Stop* stop) {
  *stop = Stop{};
  if (g_threads == nullptr) g_threads = static_cast<Thread*>(map_pages(sizeof(Thread) * kMaxThreads));
  if (g_threads == nullptr) return false;
  stop->threads = g_threads;
  auto self = static_cast<uint32_t>(os::tid());
  uint32_t turn = g_turn.fetch_add(1, std::memory_order_acq_rel) + 1;
  bool hasSignal = take_signal();
  uint64_t begin = os::monotonic_ns();
  // A thread that was just made by one that was not stopped yet is found in the next round.
  while (hasSignal && find_threads(stop, turn, self) != 0) {
    await_answers(stop, turn, begin);
    if (os::monotonic_ns() - begin > kPatienceNs) break;
  }
  for (uint32_t i = 0; i < stop->count; ++i) {
    Thread& thread = g_threads[i];
    if (thread.standing() == Standing::kStopped) ++stop->stoppedCount;
    if (thread.standing() != Standing::kRunning) continue;
    ++stop->runningCount;
    ask_kernel_for_stack(thread);
  }
  return true;
}

void release_others(Stop* stop) {
  g_turn.fetch_add(1, std::memory_order_acq_rel);
  call(SYS_futex, pointer(&g_turn), FUTEX_WAKE_PRIVATE, 0x7fffffff);
  if (g_signal != 0) give_signal_back(stop->runningCount != 0);
}

}  // namespace mp::scan
