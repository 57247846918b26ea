#include "checkpoint.h"

#include <errno.h>
#include <link.h>

#include "../modules/modules.h"
#include "../napi/exports.h"
#include "../os/os.h"
#include "../ring/process.h"
#include "../ring/thread.h"
#include "../text.h"
#include "fork.h"
#include "kernel_signal.h"
#include "left_out.h"
#include "scanner.h"
#include "stop.h"

namespace mp::scan {
namespace {

constexpr size_t kScannerStackBytes = 256u << 10;
// Static TLS that lies further from the control block is none.
constexpr uintptr_t kMaxStaticTls = 1u << 20;

// Kept from the first checkpoint on; the copy has it too.
struct Desk {
  Moment moment;
  char blocksPath[kPathBytes];
  char checkpointPath[kPathBytes];
  uint64_t* hints;
  size_t hintsBytes;
  alignas(64) char scannerStack[kScannerStackBytes];
};

SpinLock g_isTaking;
Desk* g_desk = nullptr;
bool g_hasTakenExit = false;
uintptr_t g_alsoRootLow = 0;
uintptr_t g_alsoRootHigh = 0;

// What the naked entry pushed, lowest first: r15, r14, r13, r12, rbx, rbp, return address.
struct Entered {
  uintptr_t calleeSaved[6];
  uintptr_t returnAddress;
  uintptr_t callerSp() const { return reinterpret_cast<uintptr_t>(this + 1); }
};

int measure_static_tls(dl_phdr_info* info, size_t bytes, void* context) {
  if (bytes < offsetof(dl_phdr_info, dlpi_tls_data) + sizeof info->dlpi_tls_data) return 0;
  auto* below = static_cast<uintptr_t*>(context);
  auto self = reinterpret_cast<uintptr_t>(__builtin_thread_pointer());
  uintptr_t distance = self - reinterpret_cast<uintptr_t>(info->dlpi_tls_data);
  if (info->dlpi_tls_data != nullptr && distance <= kMaxStaticTls && distance > *below) *below = distance;
  return 0;
}

Text stem(char (&buffer)[kPathBytes], uint32_t number) {
  Text text{buffer, buffer + sizeof buffer};
  text.add(g_process.path).add(".k").add(number);
  return text;
}

CheckpointHeader* make_file(const MpCheckpointRequest& request, uint32_t number, size_t* bytes) {
  uint64_t rowBytes = uint64_t{request.rowCount} * sizeof(OwnerRow);
  uint64_t isolateBytes = uint64_t{request.isolateCount} * sizeof(IsolateRow);
  uint64_t spaceBytes = uint64_t{request.spaceCount} * sizeof(SpaceRow);
  uint64_t isolatesOffset = MP_PAGE + round_up(rowBytes, MP_PAGE) + round_up(request.stringBytes, MP_PAGE);
  *bytes = round_up(isolatesOffset + isolateBytes + spaceBytes, MP_PAGE);
  auto* header = static_cast<CheckpointHeader*>(create_part('k', number, *bytes));
  if (header == nullptr) return nullptr;
  header->magic = MP_WIRE_MAGIC_CHECKPOINT;
  header->abi = MP_WIRE_ABI;
  header->headerBytes = MP_PAGE;
  header->number = number;
  header->reason = request.reason;
  header->ownerState = request.ownerState;
  header->ownerCount = request.rowCount;
  header->stringBytes = static_cast<uint32_t>(request.stringBytes);
  header->ownersOffset = MP_PAGE;
  header->stringsOffset = MP_PAGE + round_up(rowBytes, MP_PAGE);
  header->isolateCount = request.isolateCount;
  header->spaceCount = request.spaceCount;
  header->isolatesOffset = isolatesOffset;
  header->spacesOffset = isolatesOffset + isolateBytes;
  header->collectNs = request.collectNs;
  header->ownersNs = request.ownersNs;
  header->heapUsedBytes = request.heapUsedBytes;
  header->heapTotalBytes = request.heapTotalBytes;
  header->externalBytes = request.externalBytes;
  header->uncollectedCount = request.uncollectedCount;
  char* start = reinterpret_cast<char*>(header);
  if (rowBytes != 0) memcpy(start + header->ownersOffset, request.rows, rowBytes);
  if (request.stringBytes != 0) memcpy(start + header->stringsOffset, request.strings, request.stringBytes);
  if (isolateBytes != 0) memcpy(start + isolatesOffset, request.isolates, isolateBytes);
  if (spaceBytes != 0) memcpy(start + header->spacesOffset, request.spaces, spaceBytes);
  if (publish_part('k', number)) return header;
  os::unmap(header, *bytes);
  return nullptr;
}

// Room for pairs first, then the hints alone. Kept, for the copy has to have it.
size_t gather_hints(Desk& desk) {
  size_t count = memprof_resource_hints(nullptr, 0);
  if (count == 0) return 0;
  size_t bytes = round_up(count * 2 * sizeof(uint64_t), MP_PAGE);
  if (bytes > desk.hintsBytes) {
    if (desk.hints != nullptr) unmap_pages(desk.hints, desk.hintsBytes);
    desk.hints = static_cast<uint64_t*>(map_pages(bytes));
    desk.hintsBytes = desk.hints == nullptr ? 0 : bytes;
  }
  if (desk.hints == nullptr) return 0;
  size_t found = memprof_resource_hints(desk.hints, count);
  if (found < count) count = found;
  for (size_t i = 0; i < count; ++i) desk.hints[i] = desk.hints[2 * i + 1];
  return count;
}

void describe_moment(const MpCheckpointRequest& request, CheckpointHeader* header, const Entered& entered) {
  Desk& desk = *g_desk;
  stem(desk.checkpointPath, header->number);
  stem(desk.blocksPath, header->number).add(".b");
  Moment& moment = desk.moment;
  moment = Moment{};
  moment.header = header;
  moment.blocksPath = desk.blocksPath;
  moment.checkpointPath = desk.checkpointPath;
  moment.tid = static_cast<uint32_t>(os::tid());
  moment.caller = Registers{entered.returnAddress, entered.callerSp(), entered.calleeSaved[5], true};
  memcpy(moment.calleeSaved, entered.calleeSaved, sizeof moment.calleeSaved);
  moment.controlBlock = reinterpret_cast<uintptr_t>(__builtin_thread_pointer());
  dl_iterate_phdr(measure_static_tls, &moment.tlsBelow);
  moment.askedLow[0] = reinterpret_cast<uintptr_t>(request.rows);
  moment.askedHigh[0] = moment.askedLow[0] + uint64_t{request.rowCount} * sizeof(OwnerRow);
  moment.askedLow[1] = reinterpret_cast<uintptr_t>(request.strings);
  moment.askedHigh[1] = moment.askedLow[1] + request.stringBytes;
  moment.alsoRootLow = g_alsoRootLow;
  moment.alsoRootHigh = g_alsoRootHigh;
  size_t hintCount = gather_hints(desk);
  moment.hintsLow = reinterpret_cast<uintptr_t>(desk.hints);
  moment.hintsHigh = moment.hintsLow + hintCount * sizeof(uint64_t);
  moment.isLastThing = request.reason == MP_CHECKPOINT_EXIT;
}

void start_scan(void* moment) { scan_and_end(static_cast<Moment*>(moment)); }

// Whoever reads the mark knows: what stands before it in the one order is what the copy has.
void write_mark(ThreadState* state, uint32_t number) {
  uint64_t words[2] = {MP_MARK_CHECKPOINT, number};
  ring::begin(state);
  ring::write(state, MP_MARK, tick_after(state), words, 2);
  ring::end(state);
}

// pre: signals are blocked, the thread counts as inside the shim, and its ring has room for the mark: while the
// others stand still nothing may wait for the reader, which may itself wait for one of them.
void copy_process(ThreadState* state, CheckpointHeader* header) {
  Moment& moment = g_desk->moment;
  uint64_t begin = os::monotonic_ns();
  bool hasStopped = stop_others(&moment.stop);
  header->threadCount = moment.stop.stoppedCount + moment.stop.runningCount + moment.stop.unlisted;
  header->stoppedCount = moment.stop.stoppedCount;
  write_mark(state, header->number);
  uint64_t forkBegin = os::monotonic_ns();
  if (hasStopped) copy_what_is_left_out(header->number);
  long copy =
      hasStopped ? fork_copy(g_desk->scannerStack + kScannerStackBytes, start_scan, &moment) : -ENOMEM;
  if (hasStopped) leave_out_again();
  uint64_t end = os::monotonic_ns();
  if (hasStopped) release_others(&moment.stop);
  header->forkNs = end - forkBegin;
  header->pauseNs = end - begin;
  if (copy < 0) {
    header->scanError = static_cast<uint32_t>(-copy);
    __atomic_store_n(&header->scanState, MP_SCAN_FAILED, __ATOMIC_RELEASE);
  } else {
    __atomic_store_n(&header->scannerPid, static_cast<uint32_t>(copy), __ATOMIC_RELEASE);
  }
}

uint32_t take(const MpCheckpointRequest& request, ThreadState* state, const Entered& entered) {
  if (g_desk == nullptr) g_desk = static_cast<Desk*>(map_pages(sizeof(Desk)));
  if (g_desk == nullptr || !ring::room(state, 3)) return 0;
  uint32_t number = g_process.header->checkpointCount + 1;
  size_t bytes = 0;
  CheckpointHeader* header = make_file(request, number, &bytes);
  if (header == nullptr) return 0;
  describe_moment(request, header, entered);
  reap_copies();
  copy_process(state, header);
  __atomic_store_n(&g_process.header->checkpointCount, number, __ATOMIC_RELEASE);
  os::unmap(header, bytes);
  if (request.reason == MP_CHECKPOINT_EXIT) g_hasTakenExit = true;
  return number;
}

bool may_take(const MpCheckpointRequest* request) {
  return request != nullptr && request->structBytes == sizeof(MpCheckpointRequest) &&
         request->stringBytes < (uint64_t{1} << 32) && recording() && g_process.header != nullptr &&
         os::pid() == g_process.pid && !(g_hasTakenExit && request->reason == MP_CHECKPOINT_EXIT);
}

uint32_t take_alone(const MpCheckpointRequest* request, const Entered& entered) {
  if (!may_take(request) || !g_isTaking.try_lock()) return 0;
  ThreadState* state = thread::current();
  uint32_t number = 0;
  // Inside already: a signal handler that interrupted the shim.
  if (state != nullptr && state->inside == 0 && thread::t_local.muted == 0) {
    // Now, while others may still hold the loader's locks and give them back.
    modules::rescan();
    uint64_t blocked = set_blocked_signals(~uint64_t{0});
    state->inside = 1;
    thread::t_local.muted++;
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    number = take(*request, state, entered);
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    thread::t_local.muted--;
    state->inside = 0;
    set_blocked_signals(blocked);
  }
  if (state != nullptr && thread::t_local.state == nullptr) thread::leave_borrowed(state);
  g_isTaking.unlock();
  return number;
}

}  // namespace

void also_root(uintptr_t low, uintptr_t high) {
  g_alsoRootLow = low;
  g_alsoRootHigh = high;
}

void take_at_exit() {
  if ((g_process.sessionFlags & MP_SESSION_CHECKPOINT_EXIT) == 0) return;
  MpCheckpointRequest request{};
  request.structBytes = sizeof request;
  request.reason = MP_CHECKPOINT_EXIT;
  request.ownerState = MP_OWNERS_NONE;
  memprof_checkpoint(&request);
}

void after_fork_child() {
  g_isTaking.reset();
  g_hasTakenExit = false;
  forget_copies();
}

}  // namespace mp::scan

extern "C" __attribute__((visibility("hidden"), used)) uint32_t memprof_take_checkpoint(
    const MpCheckpointRequest* request, const mp::scan::Entered* entered) {
  int saved = errno;
  uint32_t number = mp::scan::take_alone(request, *entered);
  errno = saved;
  return number;
}

// What the caller's registers hold is a root, and nobody but the first instruction knows it.
extern "C" __attribute__((visibility("default"), naked)) uint32_t memprof_checkpoint(
    const MpCheckpointRequest*) {
  __asm__ volatile(
      "push %rbp\n\t"
      "push %rbx\n\t"
      "push %r12\n\t"
      "push %r13\n\t"
      "push %r14\n\t"
      "push %r15\n\t"
      "mov %rsp, %rsi\n\t"
      "sub $8, %rsp\n\t"
      "call memprof_take_checkpoint\n\t"
      "add $8, %rsp\n\t"
      "pop %r15\n\t"
      "pop %r14\n\t"
      "pop %r13\n\t"
      "pop %r12\n\t"
      "pop %rbx\n\t"
      "pop %rbp\n\t"
      "ret");
}

MP_EXPORT uint32_t memprof_next_checkpoint(void) {
  return mp::recording() && mp::g_process.header != nullptr ? mp::g_process.header->checkpointCount + 1 : 0;
}

MP_EXPORT size_t memprof_next_checkpoint_path(char* buffer, size_t capacity) {
  uint32_t number = memprof_next_checkpoint();
  char path[mp::kPathBytes];
  if (number == 0 || buffer == nullptr) return 0;
  auto length = static_cast<size_t>(mp::scan::stem(path, number).at - path);
  if (length + 1 > capacity) return 0;
  memcpy(buffer, path, length + 1);
  return length;
}
