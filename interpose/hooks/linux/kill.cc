// kill(2). Test runners send their workers SIGTERM and, half a second later, SIGKILL. The agent uses the first to
// take a checkpoint (agent/demand.cc), which on a busy machine takes longer. So whoever sends SIGKILL to a
// process of the session that is at it waits, as long as the agent holds the first back at most. Any other kill is the kernel's as ever.
//
// May be called in a signal handler: takes no lock, allocates nothing.
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>

#include "../../os/raw.h"
#include "../../ring/process.h"
#include "../../text.h"

using namespace mp;
namespace raw = mp::os::raw;

namespace {

constexpr int kPatienceMs = 8000;
constexpr int kSliceMs = 10;
// Images of one process: each exec is one more.
constexpr int kGenerations = 8;

const ProcessHeader* map_header(const char* path) {
  long fd = raw::call(SYS_open, raw::text(path), O_RDONLY | O_CLOEXEC);
  if (raw::failed(fd)) return nullptr;
  long address = raw::call(SYS_mmap, 0, static_cast<long>(MP_PAGE), PROT_READ, MAP_SHARED, fd, 0);
  raw::call(SYS_close, fd);
  if (raw::failed(address)) return nullptr;
  return reinterpret_cast<const ProcessHeader*>(address);
}

bool is_at_last_checkpoint(const ProcessHeader* header) {
  return header->magic == MP_WIRE_MAGIC_PROCESS && header->abi == MP_WIRE_ABI &&
         (__atomic_load_n(&header->checkpointReason, __ATOMIC_ACQUIRE) & 0xff) == MP_CHECKPOINT_SIGNAL &&
         __atomic_load_n(&header->checkpointWanted, __ATOMIC_ACQUIRE) !=
             __atomic_load_n(&header->checkpointServed, __ATOMIC_ACQUIRE);
}

// Of our own child we see it before we reap it.
bool has_ended(pid_t pid) {
  siginfo_t info{};
  long waited = raw::call(SYS_waitid, P_PID, pid, raw::pointer(&info), WEXITED | WNOHANG | WNOWAIT,
                          raw::pointer(nullptr));
  if (waited == 0) return info.si_pid == pid;
  return raw::call(SYS_kill, pid, 0) == -ESRCH;
}

void wait_for_last_checkpoint(pid_t pid) {
  for (int generation = kGenerations - 1; generation >= 0; generation--) {
    char path[kPathBytes];
    strcpy(path, g_process.path);
    // "<session>/p<pid>.<gen>", as ours.
    char* name = strrchr(path, '/');
    if (name == nullptr) return;
    Text text{name, path + sizeof(path)};
    text.add("/p").add(static_cast<uint64_t>(pid)).add(".").add(static_cast<uint64_t>(generation));
    const ProcessHeader* header = map_header(path);
    if (header == nullptr) continue;
    for (int waitedMs = 0; waitedMs < kPatienceMs && is_at_last_checkpoint(header) && !has_ended(pid);
         waitedMs += kSliceMs) {
      timespec slice{0, kSliceMs * 1'000'000L};
      raw::call(SYS_nanosleep, raw::pointer(&slice), 0);
    }
    raw::call(SYS_munmap, raw::pointer(header), static_cast<long>(MP_PAGE));
    return;
  }
}

}  // namespace

MP_EXPORT int kill(pid_t pid, int signal) {
  if (signal == SIGKILL && pid > 0 && recording()) wait_for_last_checkpoint(pid);
  long result = raw::call(SYS_kill, pid, signal);
  if (!raw::failed(result)) return 0;
  errno = static_cast<int>(-result);
  return -1;
}
