#include "scanner.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "../modules/modules.h"
#include "../os/os.h"
#include "../os/raw.h"
#include "../ring/process.h"
#include "../ring/thread.h"
#include "../text.h"
#include "guard.h"
#include "kernel_signal.h"
#include "roots.h"
#include "sheet.h"

namespace mp::scan {
namespace {

using os::raw::call;
using os::raw::pointer;
using os::raw::text;

// Longer than any reader needs that is alive; the reader's death is seen at once.
constexpr uint64_t kWaitNs = 600'000'000'000;
constexpr uint64_t kCheckReaderNs = 50'000'000;
constexpr uint64_t kFirstPauseNs = 200'000;
constexpr uint64_t kLastPauseNs = 5'000'000;
constexpr unsigned kScanSeconds = 300;

[[noreturn]] void end(int status) {
  for (;;) call(SYS_exit_group, status);
}

void close_descriptors() {
#ifndef SYS_close_range
#define SYS_close_range 436
#endif
  if (call(SYS_close_range, 0, ~0u, 0) == 0) return;
  long folder = call(SYS_openat, AT_FDCWD, text("/proc/self/fd"), O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
  if (os::raw::failed(folder)) {
    for (int fd = 0; fd < 65536; ++fd) call(SYS_close, fd);
    return;
  }
  alignas(8) char entries[4096];
  for (long got; (got = call(SYS_getdents64, folder, pointer(entries), sizeof entries)) > 0;) {
    for (long at = 0; at < got;) {
      uint16_t length;
      memcpy(&length, entries + at + 16, sizeof length);
      const char* name = entries + at + 19;
      at += length;
      if (name[0] != '.' && static_cast<long>(parse_decimal(name)) != folder)
        call(SYS_close, static_cast<long>(parse_decimal(name)));
    }
  }
  call(SYS_close, folder);
}

// Nothing of the program's goes on in here: not its descriptors, its handlers, its terminal, its core dumps.
void leave_program(bool isLastThing) {
  thread::t_local.muted++;
  close_descriptors();
  for (int signal = 1; signal <= kSignals; ++signal) set_default_action(signal);
  set_blocked_signals(0);
  call(SYS_setsid);
  call(SYS_chdir, text("/"));
  rlimit none{0, 0};
  call(SYS_setrlimit, RLIMIT_CORE, pointer(&none));
  call(SYS_prctl, PR_SET_NAME, text("memprof-scan"));
  if (!isLastThing) call(SYS_setpriority, PRIO_PROCESS, 0, 10);
  // Where memory runs out it is better to lose the scan than the program.
  long fd = call(SYS_openat, AT_FDCWD, text("/proc/self/oom_score_adj"), O_WRONLY | O_CLOEXEC, 0);
  if (!os::raw::failed(fd)) {
    call(SYS_write, fd, text("500"), 3);
    call(SYS_close, fd);
  }
  modules::after_fork_child();
  guard_reads();
}

// nullptr: the reader is gone, or does not want the answer any more.
BlocksHeader* await_blocks(const Moment& moment, size_t* bytes) {
  const uint64_t begin = os::monotonic_ns();
  uint64_t checked = begin;
  for (;;) {
    int error = 0;
    auto* blocks = static_cast<BlocksHeader*>(open_whole(moment.blocksPath, bytes, &error));
    if (blocks != nullptr) return blocks;
    if (error != -ENOENT) return nullptr;
    uint64_t now = os::monotonic_ns();
    if (now - checked > kCheckReaderNs) {
      checked = now;
      if (now - begin > kWaitNs || !os::exists(moment.checkpointPath) ||
          os::lock_is_free(g_process.sessionPath)) {
        return nullptr;
      }
    }
    // A sixteenth of the time so far: a test waits for the answer.
    uint64_t pauseNs = (now - begin) / 16;
    os::sleep_ns(pauseNs < kFirstPauseNs ? kFirstPauseNs : pauseNs < kLastPauseNs ? pauseNs : kLastPauseNs);
  }
}

[[noreturn]] void fail(CheckpointHeader* header, int error) {
  header->scanError = static_cast<uint32_t>(-error);
  __atomic_store_n(&header->scanState, MP_SCAN_FAILED, __ATOMIC_RELEASE);
  end(1);
}

// The program writes the last of its figures after it has made us.
void await_program(CheckpointHeader* header) {
  for (int i = 0; i < 2000 && __atomic_load_n(&header->scannerPid, __ATOMIC_ACQUIRE) == 0; ++i)
    os::sleep_ns(1'000'000);
}

}  // namespace

void scan_and_end(Moment* moment) {
  leave_program(moment->isLastThing);
  CheckpointHeader* header = moment->header;
  size_t bytes = 0;
  BlocksHeader* blocks = await_blocks(*moment, &bytes);
  if (blocks == nullptr) end(1);
  call(SYS_alarm, kScanSeconds);
  __atomic_store_n(&header->scanState, MP_SCAN_RUNNING, __ATOMIC_RELEASE);
  uint64_t begin = os::monotonic_ns();
  Sheet sheet;
  if (!open_sheet(blocks, bytes, &sheet)) fail(header, -EINVAL);
  int error = find_holders(*moment, sheet);
  if (error != 0) fail(header, error);
  header->scanNs = os::monotonic_ns() - begin;
  await_program(header);
  __atomic_store_n(&header->scanState, MP_SCAN_DONE, __ATOMIC_RELEASE);
  end(0);
}

}  // namespace mp::scan
