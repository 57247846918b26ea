#include "process.h"

#include <cpuid.h>
#include <errno.h>
#include <sys/mman.h>

#include "../modules/modules.h"
#include "../napi/addons.h"
#include "../jit/jit.h"
#include "../os/os.h"
#include "../queued/threadpool.h"
#include "../scan/checkpoint.h"
#include "../stacks/table.h"
#include "../text.h"
#include "clock.h"
#include "meta.h"
#include "names.h"
#include "thread.h"

extern char** environ;

namespace mp {

Process g_process;

namespace {

SpinLock g_joinLock;

Text text_in(char (&buffer)[kPathBytes]) { return Text{buffer, buffer + kPathBytes}; }

// getenv would do, but a program may define its own.
const char* environment(const char* name) {
  size_t length = strlen(name);
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
    if (strncmp(*entry, name, length) == 0 && (*entry)[length] == '=') return *entry + length + 1;
  }
  return nullptr;
}

bool tsc_is_invariant() {
  unsigned a, b, c, d;
  return __get_cpuid(0x80000007u, &a, &b, &c, &d) != 0 && (d & (1u << 8)) != 0;
}

bool ensure_live_page() {
  if (g_process.live != nullptr) return true;
  void* page = os::map_anonymous(os::kPageBytes);
  if (page == nullptr) return false;
  // Before Linux 4.14 there is no wipe. Then a fork's child would write into its parent's rings: better
  // not to record at all.
  if (madvise(page, os::kPageBytes, MADV_WIPEONFORK) != 0) {
    os::unmap(page, os::kPageBytes);
    g_process.gaveUp = true;
    return false;
  }
  g_process.live = static_cast<Live*>(page);
  return true;
}

struct Session {
  SessionHeader* header;
  ~Session() {
    if (header != nullptr) os::unmap(header, MP_PAGE);
  }
};

bool refuse(SessionHeader* session, uint32_t reason, int error) {
  __atomic_store_n(&session->untracedErrno, static_cast<uint32_t>(-error), __ATOMIC_RELAXED);
  __atomic_store_n(&session->untracedReason, reason, __ATOMIC_RELAXED);
  __atomic_fetch_add(&session->untracedProcesses, 1, __ATOMIC_RELEASE);
  return false;
}

uint32_t sane_power(uint32_t bytes, uint32_t fallback) {
  bool sane = bytes >= 16 * 1024 && bytes <= (1u << 30) && (bytes & (bytes - 1)) == 0;
  return sane ? bytes : fallback;
}

void announce_process() {
  // Big enough for the command lines of build tools; longer ones are cut, not lost.
  constexpr size_t kArgs = 64 * 1024;
  char* buffer = static_cast<char*>(map_pages(kArgs + 2 * MP_PAGE));
  if (buffer == nullptr) return;
  char* exe = buffer + kArgs;
  char* folder = exe + MP_PAGE;
  long exeBytes = os::read_link("/proc/self/exe", exe, MP_PAGE);
  long folderBytes = os::current_folder(folder, MP_PAGE);
  long argBytes = os::read_file("/proc/self/cmdline", buffer, kArgs);
  meta::process(exe, exeBytes > 0 ? static_cast<size_t>(exeBytes) : 0, folder,
                folderBytes > 0 ? static_cast<size_t>(folderBytes) : 0, buffer,
                argBytes > 0 ? static_cast<size_t>(argBytes) : 0);
  unmap_pages(buffer, kArgs + 2 * MP_PAGE);
}

bool join_locked() {
  const char* folder = environment("MEMPROF_SESSION");
  if (folder == nullptr || folder[0] != '/' || strlen(folder) > kPathBytes - 64) return false;
  text_in(g_process.sessionPath).add(folder).add("/session");
  int error = 0;
  Session session{static_cast<SessionHeader*>(os::open_shared(g_process.sessionPath, MP_PAGE, &error))};
  if (session.header == nullptr || session.header->magic != MP_WIRE_MAGIC_SESSION) return false;
  if (session.header->abi != MP_WIRE_ABI) return refuse(session.header, MP_UNTRACED_ABI, 0);
  if (os::lock_is_free(g_process.sessionPath)) return false;

  Process& process = g_process;
  process.pid = os::pid();
  const bool isTicket = !tsc_is_invariant() || environment("MEMPROF_TICKET_CLOCK") != nullptr;
  process.firstRingBytes = sane_power(session.header->firstRingBytes, 1u << 20);
  process.ringBytes = sane_power(session.header->ringBytes, 1u << 18);
  uint32_t metaBytes = sane_power(session.header->metaBytes, 1u << 18);
  uint32_t frames = session.header->maxFrames;
  process.sessionFlags = session.header->flags;
  process.maxFrames = frames >= 1 && frames <= MP_MAX_FRAMES ? frames : MP_MAX_FRAMES;
  process.storeFence = !os::register_for_barriers();
  process.owner.store(isTicket ? clock::kTicket : process.storeFence ? clock::kShared : clock::kFirst);

  uint32_t generation = 0;
  for (;; ++generation) {
    text_in(process.path)
        .add(folder)
        .add("/p")
        .add(static_cast<uint64_t>(process.pid))
        .add(".")
        .add(generation);
    if (!os::exists(process.path)) break;
    if (generation > 100000) return refuse(session.header, MP_UNTRACED_OPEN, -EEXIST);
  }
  text_in(process.temporary)
      .add(folder)
      .add("/.tmp.p")
      .add(static_cast<uint64_t>(process.pid))
      .add(".")
      .add(generation);

  auto* header = static_cast<ProcessHeader*>(
      os::create_shared(process.temporary, MP_PAGE + metaBytes, MP_PAGE + metaBytes, &error));
  if (header == nullptr) {
    return refuse(session.header, error == -ENOSPC ? MP_UNTRACED_NO_SPACE : MP_UNTRACED_OPEN, error);
  }
  header->magic = MP_WIRE_MAGIC_PROCESS;
  header->abi = MP_WIRE_ABI;
  header->headerBytes = MP_PAGE;
  header->pid = static_cast<uint32_t>(process.pid);
  header->generation = generation;
  header->ppid = static_cast<uint32_t>(os::ppid());
  header->state = MP_STATE_STARTING;
  header->clockMode = isTicket ? MP_CLOCK_TICKET : MP_CLOCK_TSC;
  process.clockBase = isTicket ? 0 : __rdtsc();
  header->startMonotonicNs = os::monotonic_ns();
  header->startRealtimeNs = os::realtime_ns();
  header->clockBase = process.clockBase;
  header->metaOffset = MP_PAGE;
  header->metaBytes = metaBytes;
  header->maxFrames = process.maxFrames;
  header->realMalloc = process.realMalloc;
  header->boundMalloc = process.boundMalloc;
  header->boundNew = process.boundNew;
  process.header = header;
  // The first ring and stack chunk come before the process shows itself: it joins whole or not at all.
  bool ready = stacks::reset() && thread::create_first_ring();
  if (!ready || os::publish(process.temporary, process.path) != 0) {
    thread::abandon();
    stacks::abandon();
    process.header = nullptr;
    os::unmap(header, MP_PAGE + metaBytes);
    os::remove(process.temporary);
    return refuse(session.header, MP_UNTRACED_NO_SPACE, -ENOSPC);
  }
  meta::reset(reinterpret_cast<uint64_t*>(reinterpret_cast<char*>(header) + MP_PAGE), metaBytes);
  __atomic_store_n(&header->state, MP_STATE_RECORDING, __ATOMIC_RELEASE);
  announce_process();
  modules::announce_all();
  return true;
}

// A fork's child holds its parent's mappings: nothing in them may be written again.
void leave_parent() {
  Process& process = g_process;
  if (process.header == nullptr) return;
  ProcessHeader* header = process.header;
  process.header = nullptr;
  os::unmap(header, MP_PAGE + header->metaBytes);
  thread::abandon();
  stacks::abandon();
  process.hasInherited = true;
  scan::after_fork_child();
  modules::after_fork_child();
  jit::after_fork_child();
  meta::after_fork_child();
  names::after_fork_child();
  queued::after_fork_child();
  napi::after_fork_child();
}

}  // namespace

namespace {

struct PartName {
  char text[kPathBytes];
  PartName(const char* stem, char letter, uint32_t number) {
    char suffix[3] = {'.', letter, '\0'};
    text_in(text).add(stem).add(suffix).add(number);
  }
};

}  // namespace

void* create_part(char letter, uint32_t number, size_t bytes, size_t reservedBytes) {
  int error = 0;
  return os::create_shared(PartName(g_process.temporary, letter, number).text, bytes, reservedBytes, &error);
}

int open_part(char letter, uint32_t number) {
  return os::create_file(PartName(g_process.temporary, letter, number).text);
}

void drop_part(char letter, uint32_t number) {
  os::remove(PartName(g_process.temporary, letter, number).text);
}

bool publish_part(char letter, uint32_t number) {
  return os::publish(PartName(g_process.temporary, letter, number).text,
                     PartName(g_process.path, letter, number).text) == 0;
}

bool join_session() {
  if (g_process.gaveUp || environ == nullptr) return false;
  // A fork's child may find the lock held by a thread that was not copied.
  if (g_process.live != nullptr && g_process.live->everJoined.load(std::memory_order_relaxed) == 0) {
    g_joinLock.reset();
  }
  Locked lock(g_joinLock);
  if (g_process.gaveUp || !ensure_live_page()) return false;
  Live& live = *g_process.live;
  if (live.everJoined.load(std::memory_order_acquire) != 0) {
    return live.recording.load(std::memory_order_relaxed) != 0;
  }
  leave_parent();
  bool joined = join_locked();
  if (!joined) g_process.gaveUp = true;
  live.everJoined.store(1, std::memory_order_release);
  live.recording.store(joined ? 1 : 0, std::memory_order_release);
  return joined;
}

void stop_recording(uint32_t reason) {
  g_process.live->recording.store(0, std::memory_order_relaxed);
  ProcessHeader* header = g_process.header;
  if (header == nullptr) return;
  __atomic_store_n(&header->stopReason, reason, __ATOMIC_RELAXED);
  __atomic_store_n(&header->state, MP_STATE_STOPPED, __ATOMIC_RELEASE);
}

}  // namespace mp
