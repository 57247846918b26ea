#include "demand.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <atomic>

#include "../wire.h"
#include "checkpoint.h"
#include "environment.h"
#include "pages.h"

namespace memprof {
namespace {

constexpr size_t kStackBytes = 256 << 10;
constexpr int kSignals[] = {SIGINT, SIGTERM, SIGHUP};

struct Demands {
  ProcessHeader* header = nullptr;
  struct sigaction atStart[3];  // Node has handlers of its own, which end the process
  std::atomic<bool> isPending{false};
  pid_t pid = 0;                     // 0: no signal is held
  std::atomic<int> heldSignal{0};    // came, and is to end the process after a checkpoint
  std::atomic<int> servedSignal{0};  // for which the reader had one taken before it sent it
};

Demands& demands() {
  static Demands instance;
  return instance;
}

constexpr int kHeld = SIGTERM;
constexpr int kHeldIndex = 1;  // in kSignals
// A large heap on a busy machine takes seconds; a main thread that stays in native code must die all the same.
constexpr long kPatienceSeconds = 8;
constexpr timespec kHoldAgain{0, 250'000'000};

uint32_t load(const uint32_t* word) { return __atomic_load_n(word, __ATOMIC_ACQUIRE); }

void serve(uint32_t wanted) {
  uint32_t* served = &demands().header->checkpointServed;
  __atomic_store_n(served, wanted, __ATOMIC_RELEASE);
  syscall(SYS_futex, served, FUTEX_WAKE, INT_MAX, nullptr, nullptr, 0);
}

// What would have happened without us.
void end_by_held_signal() {
  sigaction(kHeld, &demands().atStart[kHeldIndex], nullptr);
  kill(getpid(), kHeld);
}

// Runs in any thread, between any two instructions. A parent ends its workers with SIGTERM (vitest, jest,
// workerpool): the last that is known of them is this checkpoint. The thread of ours sees to the end.
void on_held_signal(int) {
  Demands& mine = demands();
  int savedErrno = errno;
  // A copy of the process that did not exec has no such thread.
  bool isCopy = getpid() != mine.pid;
  if (isCopy || mine.servedSignal.load() == kHeld || mine.heldSignal.exchange(kHeld) != 0) {
    end_by_held_signal();
  } else {
    __atomic_store_n(&mine.header->checkpointReason, MP_CHECKPOINT_SIGNAL | kHeld << 8, __ATOMIC_RELEASE);
    __atomic_add_fetch(&mine.header->checkpointWanted, 1, __ATOMIC_ACQ_REL);
    syscall(SYS_futex, &mine.header->checkpointWanted, FUTEX_WAKE, INT_MAX, nullptr, nullptr, 0);
  }
  errno = savedErrno;
}

void hold_signal() {
  struct sigaction held {};
  held.sa_handler = on_held_signal;
  held.sa_flags = SA_RESTART;
  sigfillset(&held.sa_mask);
  sigaction(kHeld, &held, nullptr);
}

// A program that handled the signal for a while (signal-exit does, around each file that write-file-atomic writes)
// leaves the default behind: libuv knows of no other.
void hold_signal_again() {
  struct sigaction now;
  if (demands().pid == 0 || sigaction(kHeld, nullptr, &now) != 0) return;
  if (now.sa_handler == SIG_DFL && demands().heldSignal.load() == 0) hold_signal();
}

// Until the checkpoint is taken, at most for a while: the main thread may be in native code.
void wait_until_served(uint32_t wanted) {
  uint32_t* served = &demands().header->checkpointServed;
  timespec now, end;
  clock_gettime(CLOCK_MONOTONIC, &end);
  end.tv_sec += kPatienceSeconds;
  bool wasTaking = is_taking_checkpoint();
  for (uint32_t seen = load(served); static_cast<int32_t>(seen - wanted) < 0; seen = load(served)) {
    if (wasTaking && !is_taking_checkpoint()) return;
    clock_gettime(CLOCK_MONOTONIC, &now);
    if (now.tv_sec > end.tv_sec || (now.tv_sec == end.tv_sec && now.tv_nsec >= end.tv_nsec)) return;
    timespec slice{0, 50'000'000};
    syscall(SYS_futex, served, FUTEX_WAIT, seen, &slice, nullptr, 0);
  }
}

// The program handles the signal itself: it is not the end, and it must not wait for us.
bool is_handled_by_program(uint32_t signal) {
  for (int i = 0; i < 3; i++) {
    struct sigaction now;
    if (kSignals[i] != static_cast<int>(signal) || sigaction(kSignals[i], nullptr, &now) != 0) continue;
    return now.sa_handler != SIG_DFL && now.sa_handler != on_held_signal &&
           now.sa_sigaction != demands().atStart[i].sa_sigaction;
  }
  return true;
}

// In the main environment's thread.
void take_wanted(void* data) {
  Demands& mine = demands();
  uint32_t ticket = static_cast<uint32_t>(reinterpret_cast<uintptr_t>(data));
  Environment self;
  do {
    uint32_t wanted = load(&mine.header->checkpointWanted);
    uint32_t reason = load(&mine.header->checkpointReason) & 0xff;
    if (reason < MP_CHECKPOINT_DEMAND || reason > MP_CHECKPOINT_SIGNAL) reason = MP_CHECKPOINT_DEMAND;
    // One of its own, at its end, was interrupted for this: whoever ends the process waits for that one.
    if (mine.heldSignal.load() != 0 && is_taking_checkpoint()) {
      mine.isPending.store(false);
      return;
    }
    if (environment_of(ticket, &self)) take_checkpoint(&self, reason);
    mine.isPending.store(false);
    serve(wanted);
    if (load(&mine.header->checkpointWanted) == wanted) return;
    // Another came meanwhile; the thread that waits saw it, or leaves it to us.
  } while (!mine.isPending.exchange(true));
}

void take_in_main(uint32_t wanted) {
  Demands& mine = demands();
  // One that is under way answers this one, too.
  if (mine.isPending.exchange(true)) return;
  uint32_t ticket = main_environment();
  if (ticket == 0 || !call_in(ticket, take_wanted, reinterpret_cast<void*>(static_cast<uintptr_t>(ticket)))) {
    mine.isPending.store(false);
    serve(wanted);
  }
}

void* wait_for_demands(void*) {
  Demands& mine = demands();
  ProcessHeader* header = mine.header;
  uint32_t known = load(&header->checkpointServed);
  while (true) {
    uint32_t wanted = load(&header->checkpointWanted);
    if (wanted == known) {
      timespec slice = kHoldAgain;
      syscall(SYS_futex, &header->checkpointWanted, FUTEX_WAIT, wanted, mine.pid == 0 ? nullptr : &slice,
              nullptr, 0);
      hold_signal_again();
      continue;
    }
    known = wanted;
    uint32_t reason = load(&header->checkpointReason);
    bool isHeld = mine.heldSignal.load() != 0;
    bool isSignal = (reason & 0xff) == MP_CHECKPOINT_SIGNAL;
    if (isSignal && !isHeld && is_handled_by_program(reason >> 8)) {
      serve(wanted);
      continue;
    }
    if (isSignal && !isHeld) mine.servedSignal.store(static_cast<int>(reason >> 8));
    take_in_main(wanted);
    if (!isHeld) continue;
    wait_until_served(wanted);
    end_by_held_signal();
    mine.heldSignal.store(0);
  }
  return nullptr;
}

// The process's header, as the reader sees it: "<session>/p<pid>.<gen>".
ProcessHeader* map_header() {
  auto next =
      reinterpret_cast<size_t (*)(char*, size_t)>(dlsym(RTLD_DEFAULT, "memprof_next_checkpoint_path"));
  char path[PATH_MAX];
  if (next == nullptr || next(path, sizeof(path)) == 0) return nullptr;
  char* ending = strrchr(path, '.');
  if (ending == nullptr) return nullptr;
  *ending = '\0';
  int fd = open(path, O_RDWR | O_CLOEXEC);
  if (fd < 0) return nullptr;
  long address =
      syscall(SYS_mmap, nullptr, static_cast<size_t>(MP_PAGE), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0L);
  close(fd);
  if (address == -1) return nullptr;
  ProcessHeader* header = reinterpret_cast<ProcessHeader*>(address);
  return header->magic == MP_WIRE_MAGIC_PROCESS && header->abi == MP_WIRE_ABI ? header : nullptr;
}

}  // namespace

void watch_for_demands() {
  Demands& mine = demands();
  if (mine.header != nullptr) return;
  mine.header = map_header();
  if (mine.header == nullptr) return;
  for (int i = 0; i < 3; i++) sigaction(kSignals[i], nullptr, &mine.atStart[i]);
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
  pthread_attr_setstacksize(&attributes, kStackBytes);
  // The program's signals are for its own threads. (glibc leaves those out that setuid needs.)
  sigset_t every, before;
  sigfillset(&every);
  pthread_sigmask(SIG_SETMASK, &every, &before);
  pthread_t thread;
  bool isHeld = (session_flags() & MP_SESSION_CHECKPOINT_EXIT) != 0;
  if (isHeld) mine.pid = getpid();
  if (pthread_create(&thread, &attributes, wait_for_demands, nullptr) == 0) {
    pthread_setname_np(thread, "memprof");
    if (isHeld) hold_signal();
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  pthread_attr_destroy(&attributes);
}

}  // namespace memprof
