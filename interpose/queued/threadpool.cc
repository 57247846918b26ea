#include "threadpool.h"

#include "../hooks/record.h"
#include "../modules/modules.h"
#include "../os/os.h"
#include "../ring/process.h"
#include "pending.h"

// Bound by the loader when the program starts; null in a program without libuv.
extern "C" __attribute__((weak)) char uv_queue_work;
extern "C" __attribute__((weak)) char uv_cancel;

namespace mp::queued {
namespace {

// struct uv__queue: the links of a list's head and of its members.
struct Link {
  Link* next;
  Link* previous;
};

// struct uv__work before its link.
struct WorkHead {
  uintptr_t work;
  uintptr_t done;
  uintptr_t loop;
};

constexpr uint32_t kMaxLists = 8;
constexpr uintptr_t kZoneBytes = 256;  // to both sides of the mutex
// What the compiler puts around uv_queue_work and uv_cancel: the rest of threadpool.c.
constexpr uintptr_t kCodeBefore = 0x1000;
constexpr uintptr_t kCodeAfter = 0x400;

struct List {
  Link* head;
  Link* first;  // at the last unlock
  Link* last;
};

// Changed under the pool's mutex only; pool itself is published once.
struct State {
  std::atomic<const void*> pool;
  std::atomic<uint32_t> failures;
  uintptr_t low, high;  // the image that contains libuv
  uint32_t listCount;
  List lists[kMaxLists];
  Pending pending;
};
State g_state;

constexpr uint32_t kMostFailures = 4096;  // then this libuv is not one that we know

bool is_pool_code(uintptr_t pc) {
  auto low = reinterpret_cast<uintptr_t>(&uv_queue_work) - kCodeBefore;
  auto high = reinterpret_cast<uintptr_t>(&uv_cancel) + kCodeAfter;
  return pc >= low && pc < high;
}

// uv_mutex_unlock's caller, or ours if the compiler put uv_mutex_unlock into it.
bool comes_from_pool(unwind::Entry entry) {
  const auto* frame = reinterpret_cast<const uintptr_t*>(entry.framePointer);
  if (is_pool_code(frame[1])) return true;
  uintptr_t caller = frame[0];
  // Only a frame right above this one: anything else is not a frame pointer.
  if (caller <= entry.framePointer || caller - entry.framePointer > 256 || (caller & 7) != 0) return false;
  return is_pool_code(reinterpret_cast<const uintptr_t*>(caller)[1]);
}

bool is_in_image(uintptr_t address) { return address >= g_state.low && address < g_state.high; }

bool is_readable(const Link* link) {
  auto address = reinterpret_cast<uintptr_t>(link);
  if (address < os::kPageBytes || (address & 7) != 0 || address >> 47 != 0) return false;
  uintptr_t page = address & ~(os::kPageBytes - 1);
  return os::is_mapped(page) &&
         (address + sizeof(Link) <= page + os::kPageBytes || os::is_mapped(page + os::kPageBytes));
}

bool is_list(Link* head) {
  if (head->next == head) return head->previous == head;
  return is_readable(head->next) && is_readable(head->previous) && head->next->previous == head &&
         head->previous->next == head;
}

bool is_work(const Link* link) {
  const auto* head = reinterpret_cast<const WorkHead*>(link) - 1;
  return is_in_image(head->work) && is_in_image(head->done) && head->loop != 0;
}

bool learn_image() {
  if (g_state.high != 0) return true;
  const modules::Module* module = modules::find(reinterpret_cast<uintptr_t>(&uv_queue_work));
  if (module == nullptr) return false;
  g_state.low = module->low;
  g_state.high = module->high;
  return true;
}

// The pool's mutex, if this is it: held by us now, with a request in a queue beside it.
bool learn(const void* mutex, unwind::Entry entry) {
  if (!learn_image() || !is_in_image(reinterpret_cast<uintptr_t>(mutex)) || !comes_from_pool(entry))
    return false;
  auto center = reinterpret_cast<uintptr_t>(mutex) & ~uintptr_t{7};
  uint32_t count = 0;
  bool hasWork = false;
  for (uintptr_t at = center - kZoneBytes; at < center + kZoneBytes && count < kMaxLists; at += 8) {
    auto* head = reinterpret_cast<Link*>(at);
    if (!is_in_image(at) || !is_list(head)) continue;
    // No first or last yet: what is in the queues now was queued before we looked, but for the tail.
    g_state.lists[count++] = List{head, head, head};
    hasWork = hasWork || (head->next != head && !is_in_image(reinterpret_cast<uintptr_t>(head->next)) &&
                          is_work(head->next));
    at += 8;
  }
  if (!hasWork) {
    g_state.failures.fetch_add(1, std::memory_order_relaxed);
    return false;
  }
  g_state.listCount = count;
  g_state.pool.store(mutex, std::memory_order_release);
  return true;
}

}  // namespace

bool concerns(const void* mutex) {
  const void* pool = g_state.pool.load(std::memory_order_acquire);
  if (MP_LIKELY(pool != nullptr)) return mutex == pool;
  return &uv_queue_work != nullptr && recording() &&
         g_state.failures.load(std::memory_order_relaxed) < kMostFailures;
}

// What happened under the mutex since the last unlock: at most one request was linked or taken.
struct Change {
  Link* queued;
  Link* taken;
};

Change compare_and_remember() {
  Change change{};
  for (uint32_t i = 0; i < g_state.listCount; ++i) {
    List& list = g_state.lists[i];
    Link* first = list.head->next;
    Link* last = list.head->previous;
    if (list.first != first && !is_in_image(reinterpret_cast<uintptr_t>(list.first)) &&
        list.first->next == list.first) {
      change.taken = list.first;
    }
    // Linked behind what was the tail: queued now. A tail that only came to light, because its
    // successor was cancelled, has another predecessor.
    if (last != list.last && !is_in_image(reinterpret_cast<uintptr_t>(last)) && last->previous == list.last &&
        is_work(last)) {
      change.queued = last;
    }
    list.first = first;
    list.last = last;
  }
  return change;
}

void before_unlock(const void* mutex, unwind::Entry entry) {
  if (g_state.pool.load(std::memory_order_acquire) == nullptr && !learn(mutex, entry)) return;
  // Always, whatever can be recorded: what is remembered must not grow stale.
  Change change = compare_and_remember();
  if (change.queued == nullptr && change.taken == nullptr) return;
  uint32_t stack = 0;
  if (change.taken != nullptr) {
    // Where it was queued may be unknown (before we knew the pool): then no parent, not the last one's.
    g_state.pending.take(reinterpret_cast<uintptr_t>(change.taken), &stack);
    record::set_queued_from(stack);
  } else if (record::current_stack(entry, &stack)) {
    g_state.pending.put(reinterpret_cast<uintptr_t>(change.queued), stack);
  }
}

void after_fork_child() { g_state.pending.clear(); }

}  // namespace mp::queued
