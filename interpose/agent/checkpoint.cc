#include "checkpoint.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <link.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <new>

#include "../scan/request.h"
#include "collections.h"
#include "heap.h"
#include "memory.h"
#include "owners.h"
#include "patience.h"
#include "snapshot.h"

namespace memprof {
namespace {

// The program is done: what is asked from now on would be taken in the middle of Node's teardown.
std::atomic<bool> g_areOver{false};
std::atomic<bool> g_isTaking{false};

// What one isolate gave.
struct Part {
  OwnerList owners;
  HeapList heap;
  uint64_t collectNs = 0, ownersNs = 0, uncollectedCount = 0;
  bool isFound = false;
  bool isLeftOut = false;  // not asked for, on purpose
};

// V8 needs one to two microseconds an object to list them. At the end of a program without addons nothing
// but stores of ArrayBuffers would be found, and with so large a heap the program would end late for it.
constexpr uint64_t kLargeHeapBytes = 64u << 20;

uint32_t drain_finalizers() {
  auto drain = reinterpret_cast<uint32_t (*)()>(dlsym(RTLD_DEFAULT, "memprof_drain_finalizers"));
  return drain == nullptr ? 0 : drain();
}

// A finalizer is an addon's own code. While JavaScript is on the stack another of the addon's functions
// may be, too, with its locks held.
bool is_in_javascript(const V8Api& v8, void* isolate) {
  Local stack = v8.currentStack(isolate, 1, 0);
  return stack.slot != nullptr && v8.stackFrameCount(stack.slot) > 0;
}

// Any but our own. Without one there are no finalizers.
bool has_addons() {
  return dl_iterate_phdr(
             [](dl_phdr_info* image, size_t, void*) {
               size_t bytes = strlen(image->dlpi_name);
               bool isAddon = bytes > 5 && strcmp(image->dlpi_name + bytes - 5, ".node") == 0;
               return isAddon && strstr(image->dlpi_name, "/memprof_agent.node") == nullptr ? 1 : 0;
             },
             nullptr) != 0;
}

// On the isolate's own thread.
void gather(const Environment& self, bool isEnd, const char* snapshotPath, Part* part) {
  Agent& shared = agent();
  void* isolate = shared.v8.currentIsolate();
  napi_handle_scope scope;
  if (isolate == nullptr || napi_open_handle_scope(self.env, &scope) != napi_ok) return;
  uint64_t began = monotonic_ns();
  bool hasAddons = has_addons();
  HeapFigures before = heap_figures(shared.v8, isolate);
  uint32_t flags = self.isMain ? MP_ISOLATE_MAIN : 0;
  part->isLeftOut = isEnd && !hasAddons && snapshotPath == nullptr && before.usedBytes > kLargeHeapBytes;
  if (part->isLeftOut) {
    add_isolate(shared.v8, isolate, self.isolate, flags, before, &part->heap);
    napi_close_handle_scope(self.env, scope);
    return;
  }
  bool mayFinalize = hasAddons && (isEnd || !is_in_javascript(shared.v8, isolate));
  // Listing the objects collects, too: so what the first round's finalizers let go is collected there,
  // and where no finalizers run one round is enough.
  if (mayFinalize || !shared.canFindOwners) shared.v8.lowMemoryNotification(isolate);
  if (mayFinalize) part->uncollectedCount = drain_finalizers();
  uint64_t collected = monotonic_ns();
  bool hasIds = snapshotPath != nullptr && write_heap_snapshot(shared.v8, snapshotPath);
  part->isFound = shared.canFindOwners && find_owners(self, hasIds, &part->owners);
  uint64_t found = monotonic_ns();
  if (mayFinalize) part->uncollectedCount = drain_finalizers();
  part->ownersNs = found - collected;
  part->collectNs = monotonic_ns() - began - part->ownersNs;
  add_isolate(shared.v8, isolate, self.isolate, flags | MP_ISOLATE_COLLECTED, before, &part->heap);
  napi_close_handle_scope(self.env, scope);
}

// ---- other isolates

// Shared by who asks and who is asked; whoever is last to let go frees it.
struct Request {
  uint32_t ticket;
  bool isEnd;
  std::atomic<uint32_t> holders{2};
  std::atomic<uint32_t> state{0};  // 0 asked, 1 under way, 2 answered, 3 nobody waits any more
  ThreadPatience patience;
  Part part;
};

void let_go(Request* request) {
  if (request->holders.fetch_sub(1) != 1) return;
  request->~Request();
  unmap_pages(request, sizeof(Request));
}

// Runs in the asked environment, or while it is torn down.
void answer(void* data) {
  Request* request = static_cast<Request*>(data);
  uint32_t expected = 0;
  if (request->state.compare_exchange_strong(expected, 1)) {
    Environment self;
    if (environment_of(request->ticket, &self)) {
      gather(self, request->isEnd, nullptr, &request->part);
    }
    request->state.store(2);
  }
  let_go(request);
}

struct Requests {
  Request* all[kMaxEnvironments];
  uint32_t count = 0;
};

void ask_others(const Environment& self, bool isEnd, Requests* requests) {
  uint32_t tickets[kMaxEnvironments];
  uint32_t count = other_environments(self.ticket, tickets);
  for (uint32_t i = 0; i < count; i++) {
    void* memory = map_pages(sizeof(Request));
    if (memory == nullptr) return;
    Request* request = new (memory) Request;
    request->ticket = tickets[i];
    request->isEnd = isEnd;
    Environment asked;
    if (environment_of(tickets[i], &asked)) request->patience = ThreadPatience(asked.thread);
    requests->all[requests->count++] = request;
    if (!call_in(tickets[i], answer, request)) {
      request->state.store(2);
      let_go(request);
    }
  }
}

// Adds what they answered. False: one did not.
bool hear_others(Requests* requests, Part* sum) {
  bool areAll = true;
  for (uint32_t i = 0; i < requests->count; i++) requests->all[i]->patience.begin();
  for (uint32_t i = 0; i < requests->count; i++) {
    Request* request = requests->all[i];
    while (request->state.load() < 2) {
      uint32_t asked = 0;
      if (request->patience.is_over() && request->state.compare_exchange_strong(asked, 3)) break;
      // One that has begun is waited for: it is at work, and will end.
      timespec pause{0, 500'000};
      syscall(SYS_nanosleep, &pause, nullptr);
    }
    if (request->state.load() == 2) sum->heap.append(request->part.heap);
    if (request->state.load() == 2 && request->part.isFound) {
      sum->owners.append(request->part.owners);
      sum->uncollectedCount += request->part.uncollectedCount;
    } else {
      areAll = false;
    }
    let_go(request);
  }
  return areAll;
}

// What goes with a pointer until its finalizer runs belongs to who owns the pointer. The ledger knows it, as
// pairs (pointer, hint).
void add_hints(OwnerList* owners) {
  auto hints = reinterpret_cast<size_t (*)(uint64_t*, size_t)>(dlsym(RTLD_DEFAULT, "memprof_resource_hints"));
  size_t count = hints == nullptr ? 0 : hints(nullptr, 0);
  if (count == 0) return;
  size_t bytes = count * 16;
  uint64_t* pairs = static_cast<uint64_t*>(map_pages(bytes));
  if (pairs == nullptr) return;
  count = std::min(count, hints(pairs, count));
  WordMap<uint64_t> hintOf(2'000'000);
  bool isNew;
  for (size_t i = 0; i < count; i++) {
    if (pairs[2 * i] != 0) hintOf.insert(pairs[2 * i], pairs[2 * i + 1], &isNew);
  }
  unmap_pages(pairs, bytes);
  size_t rowCount = owners->rows.count();
  for (size_t i = 0; i < rowCount; i++) {
    OwnerRow row = owners->rows[i];
    const uint64_t* hint = hintOf.find(row.address);
    if (hint == nullptr || *hint == 0 || *hint == row.address) continue;
    row.address = *hint;
    row.sizeBytes = 0;
    row.kind = MP_OWNER_HINT;
    if (!owners->rows.push(row)) owners->isCut = true;
  }
}

// What goes from here to the checkpoint's mark went because V8 was made to collect.
void mark_collect() {
  auto mark = reinterpret_cast<MarkFunction>(dlsym(RTLD_DEFAULT, "memprof_mark"));
  if (mark != nullptr) mark(MP_MARK_COLLECT, resident_bytes(), nullptr);
}

using CheckpointFunction = uint32_t (*)(const MpCheckpointRequest*);

uint32_t hand_over(CheckpointFunction checkpoint, const Part& sum, uint32_t reason, uint32_t ownerState) {
  MpCheckpointRequest request{};
  request.structBytes = sizeof(request);
  request.reason = reason;
  request.ownerState = ownerState;
  request.rowCount = static_cast<uint32_t>(sum.owners.rows.count());
  request.rows = sum.owners.rows.begin();
  request.strings = sum.owners.strings.begin();
  request.stringBytes = sum.owners.strings.count();
  request.collectNs = sum.collectNs;
  request.ownersNs = sum.ownersNs;
  for (const IsolateRow& isolate : sum.heap.isolates) {
    request.heapUsedBytes += isolate.after.usedBytes;
    request.heapTotalBytes += isolate.after.totalBytes;
    request.externalBytes += isolate.after.externalBytes;
  }
  request.isolates = sum.heap.isolates.begin();
  request.isolateCount = static_cast<uint32_t>(sum.heap.isolates.count());
  request.spaces = sum.heap.spaces.begin();
  request.spaceCount = static_cast<uint32_t>(sum.heap.spaces.count());
  request.uncollectedCount = sum.uncollectedCount;
  return checkpoint(&request);
}

bool snapshot_path(char* path, size_t capacity) {
  constexpr char kEnding[] = ".heapsnapshot";
  auto next =
      reinterpret_cast<size_t (*)(char*, size_t)>(dlsym(RTLD_DEFAULT, "memprof_next_checkpoint_path"));
  if (next == nullptr) return false;
  size_t bytes = next(path, capacity - sizeof(kEnding));
  if (bytes == 0) return false;
  memcpy(path + bytes, kEnding, sizeof(kEnding));
  return true;
}

}  // namespace

void collect_garbage(const Environment& self) {
  Agent& shared = agent();
  void* isolate = shared.v8.currentIsolate();
  napi_handle_scope scope;
  if (isolate == nullptr || napi_open_handle_scope(self.env, &scope) != napi_ok) return;
  shared.v8.lowMemoryNotification(isolate);
  napi_close_handle_scope(self.env, scope);
}

void end_checkpoints() { g_areOver.store(true); }

bool is_taking_checkpoint() { return g_isTaking.load(); }

uint32_t take_checkpoint(Environment* self, uint32_t reason) {
  if (g_areOver.load()) return 0;
  auto checkpoint = reinterpret_cast<CheckpointFunction>(dlsym(RTLD_DEFAULT, "memprof_checkpoint"));
  if (checkpoint == nullptr) return 0;
  if (g_isTaking.exchange(true)) return 0;
  char path[PATH_MAX];
  bool withSnapshot = (session_flags() & MP_SESSION_RETAINERS) != 0 && snapshot_path(path, sizeof(path));
  bool isEnd = reason == MP_CHECKPOINT_EXIT;
  uint32_t number;
  {
    Part sum;
    Requests requests;
    mark_collect();
    ask_others(*self, isEnd, &requests);
    gather(*self, isEnd, withSnapshot ? path : nullptr, &sum);
    bool areAll = hear_others(&requests, &sum);
    add_hints(&sum.owners);
    areAll &= !sum.owners.isCut;
    uint32_t state = sum.isLeftOut  ? MP_OWNERS_NONE
                     : !sum.isFound ? MP_OWNERS_FAILED
                     : areAll       ? MP_OWNERS_COMPLETE
                                    : MP_OWNERS_PARTIAL;
    number = hand_over(checkpoint, sum, reason, state);
  }
  if (number == 0 && withSnapshot) unlink(path);
  g_isTaking.store(false);
  return number;
}

uint32_t session_flags() {
  static const uint32_t flags = [] {
    const char* folder = getenv("MEMPROF_SESSION");
    char path[PATH_MAX];
    SessionHeader header;
    if (folder == nullptr || strlen(folder) + 9 > sizeof(path)) return 0u;
    stpcpy(stpcpy(path, folder), "/session");
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return 0u;
    bool isWhole = pread(fd, &header, sizeof(header), 0) == static_cast<ssize_t>(sizeof(header));
    close(fd);
    return isWhole && header.magic == MP_WIRE_MAGIC_SESSION && header.abi == MP_WIRE_ABI ? header.flags : 0u;
  }();
  return flags;
}

}  // namespace memprof
