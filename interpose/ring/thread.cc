#include "thread.h"

#include <errno.h>
#include <pthread.h>

#include "../os/os.h"

namespace mp {
namespace thread {

__thread Local t_local __attribute__((tls_model("initial-exec")));

namespace {

SpinLock g_poolLock;
ThreadState* g_free = nullptr;
ThreadState* g_all = nullptr;
uint32_t g_ringCount = 0;
uint32_t g_epoch = 1;
std::atomic<uint32_t> g_threadCount{0};
pthread_key_t g_key;
bool g_keyMade = false;

// pre: the pool's lock is held, or nobody else runs yet.
ThreadState* create_state() {
  auto* state = static_cast<ThreadState*>(map_pages(sizeof(ThreadState)));
  if (state == nullptr) return nullptr;
  uint32_t number = g_ringCount;
  uint32_t wanted = number == 0 ? g_process.firstRingBytes : g_process.ringBytes;
  // Many threads, or little space: a small ring waits more often but records everything.
  if (number >= 64 && wanted > (256u << 10)) wanted = 256u << 10;
  // What comes later is reserved piece by piece, where the kernel can: see ring::wait_for_room.
  const uint32_t piece = os::populate(state, 1) ? ring::kWordsBetweenLooks * 8 : UINT32_MAX;
  RingHeader* ring = nullptr;
  for (; wanted >= (16u << 10); wanted /= 2) {
    const uint32_t first = wanted < piece ? wanted : piece;
    ring = static_cast<RingHeader*>(create_part('r', number, MP_PAGE + wanted, MP_PAGE + first));
    if (ring == nullptr) continue;
    state->reserved = first / 8;
    break;
  }
  if (ring == nullptr || !unwind::prepare(state->walker)) {
    unmap_pages(state, sizeof(ThreadState));
    if (ring != nullptr) os::unmap(ring, MP_PAGE + wanted);
    return nullptr;
  }
  ring->magic = MP_WIRE_MAGIC_RING;
  ring->abi = MP_WIRE_ABI;
  ring->ringIndex = number;
  ring->dataOffset = MP_PAGE;
  ring->dataBytes = wanted;
  state->ring = ring;
  state->ringBytes = MP_PAGE + wanted;
  state->data = reinterpret_cast<uint64_t*>(reinterpret_cast<char*>(ring) + MP_PAGE);
  state->mask = wanted / 8 - 1;
  if (!publish_part('r', number)) {
    os::unmap(ring, state->ringBytes);
    unmap_pages(state, sizeof(ThreadState));
    return nullptr;
  }
  g_ringCount = number + 1;
  __atomic_store_n(&g_process.header->ringCount, g_ringCount, __ATOMIC_RELEASE);
  state->nextAll = g_all;
  __atomic_store_n(&g_all, state, __ATOMIC_RELEASE);
  return state;
}

ThreadState* take_state() {
  Locked lock(g_poolLock);
  ThreadState* state = g_free;
  if (state != nullptr) {
    g_free = state->nextFree;
    return state;
  }
  return create_state();
}

void give_back(ThreadState* state) {
  state->kernelId = 0;
  clock::disown(state);
  unwind::forget(state->walker);
  Locked lock(g_poolLock);
  state->nextFree = g_free;
  g_free = state;
}

void write_begin(ThreadState* state) {
  uint64_t tid = state->kernelId;
  uint64_t begin[2] = {tid | static_cast<uint64_t>(state->threadIndex) << 32,
                       static_cast<uint64_t>(state->handle)};
  uint64_t name[3] = {tid, 0, 0};
  os::thread_name(reinterpret_cast<char*>(&name[1]));
  ring::begin(state);
  ring::write(state, MP_THREAD_BEGIN, tick_after(state), begin, 2);
  ring::write(state, MP_THREAD_NAME, tick_after(state), name, 3);
  ring::end(state);
}

void write_end(ThreadState* state) {
  ring::begin(state);
  ring::write(state, MP_THREAD_END, tick_after(state), nullptr, 0);
  ring::end(state);
}

// Runs among the thread's other destructors, in no order that we could choose: hold on to the state
// until the last round, since the others still release blocks.
void thread_ends(void* value) {
  auto* state = static_cast<ThreadState*>(value);
  if (!recording() || t_local.state != state || t_local.epoch != g_epoch) return;
  if (++state->destructorRounds < PTHREAD_DESTRUCTOR_ITERATIONS) {
    t_local.muted++;
    pthread_setspecific(g_key, value);
    t_local.muted--;
    return;
  }
  t_local.state = nullptr;
  t_local.ended = 1;
  write_end(state);
  give_back(state);
}

ThreadState* adopt(ThreadState* state) {
  if (t_local.indexPlusOne == 0) t_local.indexPlusOne = ++g_threadCount;
  state->threadIndex = t_local.indexPlusOne - 1;
  state->kernelId = static_cast<uint32_t>(os::tid());
  state->handle = pthread_self();
  state->destructorRounds = 0;
  state->nestedCount = 0;
  state->inside = 0;
  if (state->threadIndex == 0) clock::own_first(state);
  unwind::begin_thread(state->walker, reinterpret_cast<uintptr_t>(state->handle));
  write_begin(state);
  return state;
}

}  // namespace

uint32_t kernel_id(pthread_t thread) {
  Locked lock(g_poolLock);
  for (ThreadState* state = g_all; state != nullptr; state = state->nextAll) {
    if (state->kernelId != 0 && pthread_equal(state->handle, thread) != 0) return state->kernelId;
  }
  return 0;
}

void each_state(void (*visit)(const ThreadState& state, void* context), void* context) {
  const ThreadState* state = __atomic_load_n(&g_all, __ATOMIC_ACQUIRE);
  for (; state != nullptr; state = state->nextAll) visit(*state, context);
}

bool create_first_ring() {
  ThreadState* state = create_state();
  if (state == nullptr) return false;
  state->nextFree = g_free;
  g_free = state;
  return true;
}

void abandon() {
  g_poolLock.reset();
  for (ThreadState* state = g_all; state != nullptr;) {
    ThreadState* next = state->nextAll;
    os::unmap(state->ring, state->ringBytes);
    unwind::release(state->walker);
    unmap_pages(state, sizeof(ThreadState));
    state = next;
  }
  g_all = g_free = nullptr;
  g_ringCount = 0;
  g_threadCount.store(0, std::memory_order_relaxed);
  ++g_epoch;
}

ThreadState* enter_slow() {
  if (t_local.muted != 0 || g_process.gaveUp) return nullptr;
  // A stopped process stays stopped; a fork's child has everJoined wiped and goes on below.
  if (!recording() && g_process.live != nullptr &&
      g_process.live->everJoined.load(std::memory_order_relaxed) != 0) {
    return nullptr;
  }
  int savedErrno = errno;
  t_local.muted++;
  ThreadState* state = nullptr;
  if (join_session()) {
    if (t_local.epoch != g_epoch) {
      // First event of this thread, or first in a fork's child.
      t_local.state = nullptr;
      t_local.indexPlusOne = 0;
      t_local.ended = 0;
      t_local.epoch = g_epoch;
    }
    if (!g_keyMade) g_keyMade = pthread_key_create(&g_key, thread_ends) == 0;
    state = take_state();
    if (state == nullptr) {
      count(&ProcessHeader::untracedThreads);
      count(&ProcessHeader::lostEvents);
    } else {
      adopt(state);
      if (t_local.ended == 0) {
        t_local.state = state;
        if (g_keyMade) pthread_setspecific(g_key, state);
      }
    }
  }
  t_local.muted--;
  errno = savedErrno;
  return state;
}

void leave_borrowed(ThreadState* state) {
  t_local.muted++;
  write_end(state);
  give_back(state);
  t_local.muted--;
}

}  // namespace thread

namespace ring {
namespace {

// Gives the ring its memory as far as the limit. 16 MiB at once would take 4 ms, a sixth of the time that a Node
// program needs to start. False: there is no space for it, and the recording ends.
bool has_memory(ThreadState* state) {
  const uint32_t capacity = state->mask + 1;
  // Beyond the first time around, all of it has.
  const uint32_t wanted = state->limit < capacity ? state->limit : capacity;
  if (wanted <= state->reserved) return true;
  constexpr uint32_t kPageWords = os::kPageBytes / 8;
  const uint32_t from = state->reserved;
  const uint32_t to = (wanted + kPageWords - 1) & ~(kPageWords - 1);
  if (os::populate(state->data + from, (to - from) * sizeof(uint64_t))) {
    state->reserved = to;
    return true;
  }
  state->limit = state->head;
  note_lost(state);
  stop_recording(MP_STOP_NO_SPACE);
  return false;
}

}  // namespace

bool wait_for_room(ThreadState* state, uint32_t words) {
  RingHeader* ring = state->ring;
  uint32_t capacity = state->mask + 1;
  // Half: the limit is met up to a record's length early, and a ring that is nearly full asks every time.
  if (state->head - state->lookedAt >= kWordsBetweenLooks / 2) {
    state->lookedAt = state->head;
    clock::look(state);
  }
  auto fits = [&] {
    // Acquire: the reader has copied the words out before it moved the tail.
    uint32_t free = __atomic_load_n(&ring->tail, __ATOMIC_ACQUIRE) + capacity - state->head;
    state->limit = state->head + (free < kWordsBetweenLooks ? free : kWordsBetweenLooks);
    return free >= words;
  };
  if (fits()) return has_memory(state);
  count(&ProcessHeader::waitCount);
  uint64_t begin = os::monotonic_ns();
  uint64_t checked = begin;
  uint64_t pause = 20000;
  bool room = false;
  while (recording()) {
    os::sleep_ns(pause);
    if (pause < 1000000) pause += pause / 2;
    if (fits()) {
      room = true;
      break;
    }
    uint32_t reader = __atomic_load_n(&g_process.header->readerState, __ATOMIC_ACQUIRE);
    if (reader == MP_READER_DETACHED) {
      stop_recording(MP_STOP_DETACHED);
      break;
    }
    uint64_t now = os::monotonic_ns();
    // A paused reader keeps its lock, a dead one does not: only the dead one ends the recording.
    if (now - checked > 50000000) {
      checked = now;
      if (os::lock_is_free(g_process.sessionPath)) {
        stop_recording(MP_STOP_READER_GONE);
        break;
      }
    }
  }
  count(&ProcessHeader::waitNs, os::monotonic_ns() - begin);
  if (!room) note_lost(state);
  return room && has_memory(state);
}

void note_lost(ThreadState* state) {
  ++state->lostEvents;
  count(&ProcessHeader::lostEvents);
}

bool write(ThreadState* state, uint32_t type, uint64_t tick, const uint64_t* words, uint32_t wordCount) {
  if (MP_UNLIKELY(!room(state, wordCount + 1))) return false;
  put(state, head_word(type, in_order(state, tick)));
  for (uint32_t i = 0; i < wordCount; ++i) put(state, words[i]);
  publish(state);
  return true;
}

void put_nested(ThreadState* state, uint32_t type, uint64_t tick, const uint64_t* words, uint32_t wordCount) {
  count(&ProcessHeader::nestedEvents);
  uint32_t n = state->nestedCount;
  if (n >= kNestedRecords) {
    note_lost(state);
    return;
  }
  NestedRecord& record = state->nested[n];
  record.words = wordCount + 1;
  record.word[0] = head_word(type, tick & ((UINT64_C(1) << 56) - 1));
  for (uint32_t i = 0; i < wordCount; ++i) record.word[1 + i] = words[i];
  __atomic_signal_fence(__ATOMIC_SEQ_CST);
  state->nestedCount = n + 1;
}

void flush_nested(ThreadState* state, uint64_t before) {
  constexpr uint64_t kTick = (UINT64_C(1) << 56) - 1;
  uint32_t written = 0;
  while (written < state->nestedCount && (state->nested[written].word[0] & kTick) < before) {
    const NestedRecord& record = state->nested[written++];
    write(state, static_cast<uint32_t>(record.word[0] >> 56), record.word[0] & kTick, &record.word[1],
          record.words - 1);
  }
  if (written == 0) return;
  // A handler may add records while the rest moves down: taking the count last keeps them.
  uint32_t kept = 0;
  for (uint32_t i = written; i < state->nestedCount; ++i) state->nested[kept++] = state->nested[i];
  state->nestedCount = kept;
}

}  // namespace ring
}  // namespace mp
