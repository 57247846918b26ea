// Where the stacks and the thread-local memory of threads lie, of those that live and of those that ended
// (the C library keeps their stacks for the next thread). For the scanner: reads with guard.h.
#ifndef MEMPROF_SCAN_THREAD_MEMORY_H
#define MEMPROF_SCAN_THREAD_MEMORY_H

#include "../base.h"
#include "index.h"
#include "maps.h"
#include "pages.h"
#include "regions.h"

namespace mp::scan {

// A thread as it stood when the copy was made.
struct StackUse {
  uint32_t tid;
  bool isFirst;            // the process's first thread
  uintptr_t sp;            // 0: unknown
  uintptr_t controlBlock;  // 0: unknown
};

struct Space {
  const Mapping* mappings;
  size_t mappingCount;
  Pages* pages;
  uintptr_t tlsBelow;  // bytes of static TLS below a control block
};

// Up to `capacity` spans, untidied: stacks from sp on, TLS. Returns the count.
struct Spans {
  Span* spans;
  size_t count, capacity;
  void add(uintptr_t low, uintptr_t high, uint32_t reach, uint32_t id) {
    if (low < high && count < capacity) spans[count++] = Span{low, high, reach, id};
  }
};

// roots: what is live of the thread; dead: the part of its stack that is not in use. blocks, addresses,
// sizes: a coroutine's stack may lie in a block.
void add_thread(const Space& space, const StackUse& use, const BlockIndex& blocks, const uint64_t* addresses,
                const uint64_t* sizes, Spans* roots, Spans* dead);

struct LivingThreads {
  const uintptr_t* controlBlocks;  // 0: unknown
  const uint32_t* tids;
  size_t count;
  uint32_t tidAt;  // where in a control block the kernel id stands; 0: unknown
};

// Stacks in whose control block no living thread stands. placeInPage: where control blocks lie in their page.
// tables: words in them that hold the table of dynamic TLS, which the C library keeps with the stack.
void add_ended_stacks(const Space& space, uintptr_t placeInPage, const LivingThreads& threads, Spans* dead,
                      Spans* tables);

// Where in a control block the kernel id stands, learned from a thread's own; 0: not found.
uint32_t find_tid_place(uintptr_t controlBlock, uint32_t tid);

// glibc's arenas but the main one: heaps of 64 MiB at multiples of it.
void add_arenas(const Space& space, Spans* dead);

}  // namespace mp::scan

#endif
