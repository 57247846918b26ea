#include "demand.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
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
};

Demands& demands() {
  static Demands instance;
  return instance;
}

uint32_t load(const uint32_t* word) { return __atomic_load_n(word, __ATOMIC_ACQUIRE); }

void serve(uint32_t wanted) {
  uint32_t* served = &demands().header->checkpointServed;
  __atomic_store_n(served, wanted, __ATOMIC_RELEASE);
  syscall(SYS_futex, served, FUTEX_WAKE, INT_MAX, nullptr, nullptr, 0);
}

// The program handles the signal itself: it is not the end, and it must not wait for us.
bool is_handled_by_program(uint32_t signal) {
  for (int i = 0; i < 3; i++) {
    struct sigaction now;
    if (kSignals[i] != static_cast<int>(signal) || sigaction(kSignals[i], nullptr, &now) != 0) continue;
    return now.sa_handler != SIG_DFL && now.sa_sigaction != demands().atStart[i].sa_sigaction;
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
    if (environment_of(ticket, &self)) take_checkpoint(&self, reason);
    mine.isPending.store(false);
    serve(wanted);
    if (load(&mine.header->checkpointWanted) == wanted) return;
    // Another came meanwhile; the thread that waits saw it, or leaves it to us.
  } while (!mine.isPending.exchange(true));
}

void* wait_for_demands(void*) {
  Demands& mine = demands();
  ProcessHeader* header = mine.header;
  uint32_t known = load(&header->checkpointServed);
  while (true) {
    uint32_t wanted = load(&header->checkpointWanted);
    if (wanted == known) {
      syscall(SYS_futex, &header->checkpointWanted, FUTEX_WAIT, wanted, nullptr, nullptr, 0);
      continue;
    }
    known = wanted;
    uint32_t reason = load(&header->checkpointReason);
    if ((reason & 0xff) == MP_CHECKPOINT_SIGNAL && is_handled_by_program(reason >> 8)) {
      serve(wanted);
      continue;
    }
    // One that is under way answers this one, too.
    if (mine.isPending.exchange(true)) continue;
    uint32_t ticket = main_environment();
    if (ticket == 0 ||
        !call_in(ticket, take_wanted, reinterpret_cast<void*>(static_cast<uintptr_t>(ticket)))) {
      mine.isPending.store(false);
      serve(wanted);
    }
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
  if (pthread_create(&thread, &attributes, wait_for_demands, nullptr) == 0)
    pthread_setname_np(thread, "memprof");
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  pthread_attr_destroy(&attributes);
}

}  // namespace memprof
