// Work on libuv's thread pool has no JavaScript above it: this finds the stack that queued it.
//
// libuv posts a request under the pool's one mutex by linking it at the tail of a queue, and a
// worker takes it under the same mutex by unlinking the head and linking it to itself. Both end with
// pthread_mutex_unlock, which is hooked. So at each unlock of that mutex, while it is still held:
// a new tail is a request that this thread queues now; a former head that links to itself is the
// request that this thread takes now. Node's own work (fs, zlib, crypto, dns) and addons' work
// (napi_queue_async_work, uv_queue_work) pass here alike.
//
// The pool's mutex and queues are private to libuv. They are recognised, never assumed: the mutex is
// unlocked from libuv's threadpool code, and near it lies a queue with a well-formed request in it.
// Where that does not hold there are no async parents, and nothing else changes.
//
// Source: libuv, src/threadpool.c and src/queue.h (the same since 1.0 in what is used here).
#ifndef MEMPROF_QUEUED_THREADPOOL_H
#define MEMPROF_QUEUED_THREADPOOL_H

#include <stdint.h>

#include "../unwind/walk.h"

namespace mp::queued {

// The mutex is about to be unlocked by the calling thread.
void before_unlock(const void* mutex, unwind::Entry entry);

// Whether before_unlock has anything to do: two loads.
bool concerns(const void* mutex);

void after_fork_child();

}  // namespace mp::queued

#endif
