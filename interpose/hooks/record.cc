#include "record.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "../os/os.h"
#include "../stacks/table.h"
#include "quiet.h"

namespace mp::record {
namespace {

bool g_verify = false;

constexpr uint64_t kAddress = (UINT64_C(1) << 48) - 1;

uint64_t address_word(const void* block, uint64_t sizeBytes) {
  return (reinterpret_cast<uint64_t>(block) & kAddress) | (sizeBytes & 0xffff) << 48;
}
uint64_t size_word(uint64_t sizeBytes, uint32_t stack) {
  return ((sizeBytes >> 16) & 0xffffffffu) << 32 | stack;
}

MP_NOINLINE void verify(ThreadState* state, unwind::Entry entry, uint32_t quick) {
  uint32_t slow = unwind::take_slowly(state->walker, entry);
  uint32_t a = quick;
  uint32_t b = slow;
  while (a != b && a != 0 && b != 0) {
    StackNode left = stacks::node(a);
    StackNode right = stacks::node(b);
    if (left.frame != right.frame) break;
    a = left.parent;
    b = right.parent;
  }
  if (a == b) return;
  static const char text[] = "memprof: MEMPROF_VERIFY_STACKS: a reused stack differs from the walked one\n";
  [[maybe_unused]] ssize_t written = ::write(2, text, sizeof text - 1);
  abort();
}

MP_INLINE uint32_t take_stack(ThreadState* state, unwind::Entry entry) {
  uint32_t stack = unwind::take(state->walker, entry);
  state->currentStack = stack;
  if (MP_UNLIKELY(g_verify)) verify(state, entry, stack);
  return stack;
}

MP_INLINE void barrier() { __atomic_signal_fence(__ATOMIC_SEQ_CST); }

MP_INLINE void enter(ThreadState* state) {
  state->inside = 1;
  barrier();
}

MP_NOINLINE void leave_slow(ThreadState* state) {
  while (state->nestedCount != 0 || state->lostEvents != 0) {
    enter(state);
    ring::begin(state);
    ring::flush_nested(state, UINT64_MAX);
    uint64_t lost = state->lostEvents;
    state->lostEvents = 0;
    if (lost != 0 && recording()) ring::write(state, MP_LOST, tick_after(state), &lost, 1);
    ring::end(state);
    barrier();
    state->inside = 0;
    if (!recording()) break;
  }
  if (thread::t_local.state == nullptr) thread::leave_borrowed(state);
}

MP_INLINE void leave(ThreadState* state) {
  barrier();
  state->inside = 0;
  barrier();
  if (MP_UNLIKELY(state->nestedCount != 0 || state->lostEvents != 0 || thread::t_local.state == nullptr))
    leave_slow(state);
}

// From a signal handler that came while this thread was inside: the event goes to the side.
MP_NOINLINE void nested(ThreadState* state, uint32_t type, uint64_t tick, const uint64_t* words,
                        uint32_t count) {
  ring::begin(state);  // until the interrupted event has written both
  ring::put_nested(state, type, tick, words, count);
}

uint32_t nested_stack(const ThreadState* state) {
  return state->currentStack != 0 ? state->currentStack : static_cast<uint32_t>(MP_MARKER_NESTED);
}

// Recorded as usual though the thread is quiet.
class Loud {
 public:
  explicit Loud(ThreadState* state) : state_(state->inside == quiet::kInside ? state : nullptr) {
    if (state_ != nullptr) state_->inside = 0;
  }
  ~Loud() {
    if (state_ != nullptr) state_->inside = quiet::kInside;
  }
  Loud(const Loud&) = delete;
  Loud& operator=(const Loud&) = delete;

 private:
  ThreadState* state_;
};

// After the second half of an event whose first half made the thread loud.
MP_INLINE void quiet_again(ThreadState* state) {
  if (MP_UNLIKELY(quiet::is_open())) state->inside = quiet::kInside;
}

// The table of quiet blocks is this thread's alone, its signal handlers excepted.
template <typename Work>
bool with_table(ThreadState* state, Work work) {
  enter(state);
  bool result = work();
  leave(state);
  state->inside = quiet::kInside;
  return result;
}

void note_quiet(ThreadState* state, uint64_t count) {
  uint64_t words[2] = {MP_MARK_QUIET, count};
  Loud loud(state);
  plain(MP_MARK, words, 2);
}

// The two records that nearly all events are, straight into the ring.
MP_INLINE void commit_block(ThreadState* state, uint32_t type, uint64_t tick, uint64_t address) {
  if (MP_UNLIKELY(state->nestedCount != 0)) ring::flush_nested(state, tick);
  if (MP_LIKELY(ring::room(state, 2))) {
    ring::put(state, ring::head_word(type, ring::in_order(state, tick)));
    ring::put(state, address);
    ring::publish(state);
  }
  ring::end(state);
}

MP_INLINE void commit_block(ThreadState* state, uint32_t type, uint64_t tick, uint64_t address,
                            uint64_t size) {
  if (MP_UNLIKELY(state->nestedCount != 0)) ring::flush_nested(state, tick);
  if (MP_LIKELY(ring::room(state, 3))) {
    ring::put(state, ring::head_word(type, ring::in_order(state, tick)));
    ring::put(state, address);
    ring::put(state, size);
    ring::publish(state);
  }
  ring::end(state);
}

// Any other record, with the tick already taken under begin().
MP_INLINE void commit(ThreadState* state, uint32_t type, uint64_t tick, const uint64_t* words,
                      uint32_t count) {
  if (MP_UNLIKELY(state->nestedCount != 0)) ring::flush_nested(state, tick);
  ring::write(state, type, tick, words, count);
  ring::end(state);
}

}  // namespace

void allocation(uint32_t type, void* block, size_t sizeBytes, unwind::Entry entry) {
  ThreadState* state = thread::current();
  if (MP_UNLIKELY(state == nullptr)) return;
  uint64_t words[2] = {address_word(block, sizeBytes), 0};
  if (MP_UNLIKELY(state->inside != 0)) {
    if (state->inside == quiet::kInside) {
      if (type == MP_ALLOC_MALLOC && with_table(state, [=] { return quiet::keep(block, sizeBytes); })) {
        uint64_t now = quiet::step();
        if (MP_UNLIKELY(now != 0)) note_quiet(state, now);
        return;
      }
      Loud loud(state);
      allocation(type, block, sizeBytes, entry);
      return;
    }
    words[1] = size_word(sizeBytes, nested_stack(state));
    ring::begin(state);
    nested(state, type, tick_after(state), words, 2);
    return;
  }
  enter(state);
  words[1] = size_word(sizeBytes, take_stack(state, entry));
  ring::begin(state);
  commit_block(state, type, tick_after(state), words[0], words[1]);
  state->currentStack = 0;
  leave(state);
}

void release(uint32_t type, void* block) {
  // The real release reads the word before the block and writes the block's first: on their way meanwhile.
  __builtin_prefetch(static_cast<const char*>(block) - 8, 1);
  __builtin_prefetch(block, 1);
  ThreadState* state = thread::current();
  if (MP_UNLIKELY(state == nullptr)) return;
  uint64_t words[1] = {address_word(block, 0)};
  if (MP_UNLIKELY(state->inside != 0)) {
    if (state->inside == quiet::kInside) {
      if (with_table(state, [=] { return quiet::forget(block); })) return;
      Loud loud(state);
      release(type, block);
      return;
    }
    ring::begin(state);
    nested(state, type, tick_before(state), words, 1);
    return;
  }
  enter(state);
  ring::begin(state);
  commit_block(state, type, tick_before(state), words[0]);
  leave(state);
}

Reallocation begin_reallocation(unwind::Entry entry) {
  ThreadState* state = thread::current();
  if (state == nullptr) return Reallocation{nullptr, 0, 0, false};
  if (MP_UNLIKELY(state->inside == quiet::kInside)) state->inside = 0;
  if (MP_UNLIKELY(state->inside != 0)) {
    ring::begin(state);
    return Reallocation{state, tick_before(state), nested_stack(state), true};
  }
  enter(state);
  uint32_t stack = take_stack(state, entry);
  ring::begin(state);
  return Reallocation{state, tick_before(state), stack, false};
}

void end_reallocation(Reallocation& under, uint32_t allocationType, void* old, void* block, size_t sizeBytes,
                      bool isFailed) {
  ThreadState* state = under.state;
  if (state == nullptr) return;
  uint64_t gone[1] = {address_word(old, 0)};
  uint64_t made[2] = {address_word(block, sizeBytes), size_word(sizeBytes, under.stack)};
  bool hasReleased = !isFailed && old != nullptr;
  if (MP_UNLIKELY(quiet::is_open()) && hasReleased && quiet::forget(old)) hasReleased = false;
  bool hasAllocated = !isFailed && block != nullptr;
  uint64_t tick = hasAllocated ? tick_after(state) : 0;
  if (MP_UNLIKELY(under.nested)) {
    if (hasReleased) nested(state, MP_FREE_REALLOC, under.tick, gone, 1);
    if (hasAllocated) nested(state, allocationType, tick, made, 2);
    return;
  }
  if (MP_UNLIKELY(!recording())) {
    // A fork's child never comes back here; a process that stopped meanwhile drops the event.
  } else if (MP_LIKELY(hasReleased && hasAllocated && state->nestedCount == 0)) {
    if (ring::room(state, 5)) {
      ring::put(state, ring::head_word(MP_FREE_REALLOC, ring::in_order(state, under.tick)));
      ring::put(state, gone[0]);
      ring::put(state, ring::head_word(allocationType, ring::in_order(state, tick)));
      ring::put(state, made[0]);
      ring::put(state, made[1]);
      ring::publish(state);
    }
  } else {
    if (hasReleased) {
      if (state->nestedCount != 0) ring::flush_nested(state, under.tick);
      ring::write(state, MP_FREE_REALLOC, under.tick, gone, 1);
    }
    if (hasAllocated) {
      if (state->nestedCount != 0) ring::flush_nested(state, tick);
      ring::write(state, allocationType, tick, made, 2);
    }
  }
  ring::end(state);
  state->currentStack = 0;
  leave(state);
  quiet_again(state);
}

void map(void* address, size_t bytes, int protection, int flags, unwind::Entry entry) {
  ThreadState* state = thread::current();
  if (state == nullptr) return;
  Loud loud(state);
  uint64_t words[3] = {
      reinterpret_cast<uint64_t>(address), bytes,
      static_cast<uint64_t>(protection & 0xff) << 32 | static_cast<uint64_t>(flags & 0xffffff) << 40};
  if (state->inside != 0) {
    words[2] |= nested_stack(state);
    ring::begin(state);
    nested(state, MP_MAP, tick_after(state), words, 3);
    return;
  }
  enter(state);
  words[2] |= take_stack(state, entry);
  ring::begin(state);
  commit(state, MP_MAP, tick_after(state), words, 3);
  state->currentStack = 0;
  leave(state);
}

Unmapping begin_unmap() {
  ThreadState* state = thread::current();
  if (state == nullptr) return Unmapping{nullptr, 0, false};
  if (state->inside == quiet::kInside) state->inside = 0;
  bool isNested = state->inside != 0;
  if (!isNested) enter(state);
  ring::begin(state);
  return Unmapping{state, tick_before(state), isNested};
}

void end_unmap(Unmapping& under, void* address, size_t bytes, bool isFailed) {
  ThreadState* state = under.state;
  if (state == nullptr) return;
  uint64_t words[2] = {reinterpret_cast<uint64_t>(address), bytes};
  if (under.nested) {
    if (!isFailed) nested(state, MP_UNMAP, under.tick, words, 2);
    return;
  }
  if (!isFailed) commit(state, MP_UNMAP, under.tick, words, 2);
  ring::end(state);
  leave(state);
  quiet_again(state);
}

void remap(void* old, size_t oldBytes, void* address, size_t bytes, unwind::Entry entry) {
  ThreadState* state = thread::current();
  if (state == nullptr) return;
  Loud loud(state);
  uint64_t words[5] = {reinterpret_cast<uint64_t>(old), oldBytes, reinterpret_cast<uint64_t>(address), bytes,
                       0};
  if (state->inside != 0) {
    words[4] = nested_stack(state);
    ring::begin(state);
    nested(state, MP_REMAP, tick_after(state), words, 5);
    return;
  }
  enter(state);
  words[4] = take_stack(state, entry);
  ring::begin(state);
  commit(state, MP_REMAP, tick_after(state), words, 5);
  state->currentStack = 0;
  leave(state);
}

void heap_break(uintptr_t before, uintptr_t after, unwind::Entry entry) {
  ThreadState* state = thread::current();
  if (state == nullptr) return;
  Loud loud(state);
  if (state->inside != 0) return;
  enter(state);
  uint64_t words[3] = {before, after, take_stack(state, entry)};
  ring::begin(state);
  commit(state, MP_HEAP_BREAK, tick_after(state), words, 3);
  state->currentStack = 0;
  leave(state);
}

void plain(uint32_t type, const uint64_t* words, uint32_t count) {
  ThreadState* state = thread::current();
  if (state == nullptr) return;
  Loud loud(state);
  if (state->inside != 0) {
    // What calls Node never comes from a signal handler, and its records may be longer.
    if (type == MP_RESOURCE_NEW) return;
    ring::begin(state);
    nested(state, type, tick_after(state), words, count);
    return;
  }
  enter(state);
  ring::begin(state);
  commit(state, type, tick_after(state), words, count);
  leave(state);
}

bool with_stack(uint32_t type, uint64_t* words, uint32_t count, unwind::Entry entry) {
  ThreadState* state = thread::current();
  if (state == nullptr || state->inside != 0) return false;
  enter(state);
  words[0] |= static_cast<uint64_t>(take_stack(state, entry)) << 32;
  ring::begin(state);
  commit(state, type, tick_after(state), words, count);
  state->currentStack = 0;
  leave(state);
  return true;
}

void announce(uint32_t type, uint64_t* words, uint32_t count, unwind::Entry entry) {
  ThreadState* state = thread::current();
  if (state == nullptr) return;
  Loud loud(state);
  if (state->inside != 0) {
    words[count - 1] |= nested_stack(state);
    ring::begin(state);
    nested(state, type, tick_after(state), words, count);
    return;
  }
  enter(state);
  words[count - 1] |= take_stack(state, entry);
  ring::begin(state);
  commit(state, type, tick_after(state), words, count);
  state->currentStack = 0;
  leave(state);
}

bool current_stack(unwind::Entry entry, uint32_t* stack) {
  ThreadState* state = thread::current();
  if (state == nullptr) return false;
  Loud loud(state);
  if (state->inside != 0) return false;
  enter(state);
  *stack = take_stack(state, entry);
  state->currentStack = 0;
  leave(state);
  return true;
}

void set_queued_from(uint32_t stack) {
  ThreadState* state = thread::current();
  if (state == nullptr) return;
  Loud loud(state);
  if (state->inside != 0) return;
  enter(state);
  unwind::set_queued_from(state->walker, stack);
  leave(state);
}

void begin_quiet() {
  ThreadState* state = thread::current();
  // A borrowed state is given back after each event.
  if (state == nullptr || state->inside != 0 || thread::t_local.state != state) return;
  enter(state);
  bool isOpen = quiet::open();
  leave(state);
  if (isOpen) state->inside = quiet::kInside;
}

void pause_quiet(bool isPaused) {
  ThreadState* state = thread::current();
  if (state == nullptr || !quiet::has_table()) return;
  quiet::pause(isPaused);
  if (isPaused && state->inside == quiet::kInside) state->inside = 0;
  if (!isPaused && state->inside == 0) state->inside = quiet::kInside;
}

void end_quiet(unwind::Entry entry) {
  ThreadState* state = thread::current();
  if (!quiet::is_open()) return;
  if (state != nullptr && state->inside == quiet::kInside) {
    quiet::Left left;
    while (with_table(state, [&] { return quiet::take_left(&left); })) {
      Loud loud(state);
      allocation(MP_ALLOC_MALLOC, left.block, left.sizeBytes, entry);
    }
    note_quiet(state, 0);
    state->inside = 0;
  }
  quiet::close();
}

void verify_stacks() { g_verify = true; }

}  // namespace mp::record
