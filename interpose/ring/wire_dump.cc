// Test program: proves that src/record/wire.ts means what wire.h says, and plays a traced process.
//
//   wire_dump layout                      every constant, size and offset of wire.h as JSON
//   wire_dump write <session> [threads] [pairs] [ringBytes]
//                                         joins the session as a process would: `threads` rings, each
//                                         with `pairs` allocations and releases of known blocks, a
//                                         known remainder left live, and an exit
//
// The writer is deliberately naive (no hooks, no unwinder): what the shim shares with it is wire.h.
#include "../wire.h"

#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>
#include <x86intrin.h>

#include <atomic>
#include <string>
#include <thread>
#include <vector>

namespace {

std::string sessionFolder;
ProcessHeader* process = nullptr;
uint32_t metaWritten = 0;

void* makeFile(const std::string& name, size_t bytes) {
  const std::string temporary = sessionFolder + "/.tmp." + name;
  const std::string final = sessionFolder + "/" + name;
  const int fd = open(temporary.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (fd < 0 || posix_fallocate(fd, 0, static_cast<off_t>(bytes)) != 0) exit(3);
  void* memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (memory == MAP_FAILED) exit(4);
  close(fd);
  return memory;
}

void publishFile(const std::string& name) {
  if (rename((sessionFolder + "/.tmp." + name).c_str(), (sessionFolder + "/" + name).c_str()) != 0) exit(5);
}

std::string fileName(const std::string& suffix) { return "p" + std::to_string(getpid()) + ".0" + suffix; }

void storeRelease(uint32_t* word, uint32_t value) { __atomic_store_n(word, value, __ATOMIC_RELEASE); }

uint64_t now() {
  _mm_lfence();
  return __rdtsc() - process->clockBase;
}

class Meta {
 public:
  explicit Meta(uint32_t type) { put32(type), put32(0); }
  Meta& put32(uint32_t value) { return raw(&value, 4); }
  Meta& put64(uint64_t value) { return raw(&value, 8); }
  Meta& text(const std::string& value) {
    return put32(static_cast<uint32_t>(value.size())).raw(value.data(), value.size());
  }
  void publish() {
    bytes_.resize((bytes_.size() + 7) / 8 * 8);
    const uint32_t length = static_cast<uint32_t>(bytes_.size());
    memcpy(&bytes_[4], &length, 4);
    char* data = reinterpret_cast<char*>(process) + process->metaOffset;
    for (uint32_t i = 0; i < length; i += 8) {
      while (metaWritten - __atomic_load_n(&process->metaTail, __ATOMIC_ACQUIRE) >= process->metaBytes / 8)
        usleep(100);
      memcpy(data + metaWritten % (process->metaBytes / 8) * 8, &bytes_[i], 8);
      // A record longer than the ring would never fit if it were published whole.
      metaWritten++;
    }
    storeRelease(&process->metaHead, metaWritten);
  }

 private:
  Meta& raw(const void* data, size_t length) {
    bytes_.append(static_cast<const char*>(data), length);
    return *this;
  }
  std::string bytes_;
};

class Ring {
 public:
  Ring(uint32_t index, uint32_t dataBytes) : capacity_(dataBytes / 8) {
    const std::string name = fileName(".r" + std::to_string(index));
    header_ = static_cast<RingHeader*>(makeFile(name, MP_PAGE + dataBytes));
    header_->magic = MP_WIRE_MAGIC_RING;
    header_->abi = MP_WIRE_ABI;
    header_->ringIndex = index;
    header_->dataOffset = MP_PAGE;
    header_->dataBytes = dataBytes;
    data_ = reinterpret_cast<uint64_t*>(reinterpret_cast<char*>(header_) + MP_PAGE);
    publishFile(name);
  }

  void begin() {
    // As the shim does: no fence here, the reader pays for it.
    *reinterpret_cast<volatile uint32_t*>(&header_->busy) = 1;
    __asm__ volatile("" ::: "memory");
  }
  void put(uint64_t word) {
    while (head_ - __atomic_load_n(&header_->tail, __ATOMIC_ACQUIRE) >= capacity_) {
      // Only whole records are published, so a full ring here means that the reader is behind.
      __atomic_fetch_add(&process->waitCount, 1, __ATOMIC_RELAXED);
      sched_yield();
    }
    data_[head_++ % capacity_] = word;
  }
  void end() {
    storeRelease(&header_->head, head_);
    *reinterpret_cast<volatile uint32_t*>(&header_->busy) = 0;
  }
  void record(uint32_t type, const std::vector<uint64_t>& words) {
    begin();
    put(uint64_t{type} << 56 | now());
    for (uint64_t word : words) put(word);
    end();
  }
  void allocate(uint32_t type, uint64_t address, uint64_t size, uint32_t stack) {
    begin();
    put(uint64_t{type} << 56 | now());
    put(address | size << 48);
    put(size >> 16 << 32 | stack);
    end();
  }
  void release(uint32_t type, uint64_t address) {
    begin();
    put(uint64_t{type} << 56 | now());
    put(address);
    end();
  }
  void thread(uint32_t index) {
    record(MP_THREAD_BEGIN, {uint64_t{index} << 32 | (1000 + index), 0x7000 + index});
  }

 private:
  RingHeader* header_;
  uint64_t* data_;
  uint32_t capacity_;
  uint32_t head_ = 0;
};

uint64_t nanoseconds(clockid_t clock) {
  timespec value;
  clock_gettime(clock, &value);
  return static_cast<uint64_t>(value.tv_sec) * 1000000000u + static_cast<uint64_t>(value.tv_nsec);
}

// Thread t's k-th block: its size and address are what the test expects to find.
uint64_t addressOf(uint32_t thread, uint32_t block) {
  return 0x7f0000000000u + (uint64_t{thread} << 32) + uint64_t{block} * 64;
}

int write(uint32_t threads, uint32_t pairs, uint32_t ringBytes) {
  const uint32_t metaBytes = 1u << 20;
  const std::string name = fileName("");
  process = static_cast<ProcessHeader*>(makeFile(name, MP_PAGE + metaBytes));
  process->magic = MP_WIRE_MAGIC_PROCESS;
  process->abi = MP_WIRE_ABI;
  process->headerBytes = MP_PAGE;
  process->pid = static_cast<uint32_t>(getpid());
  process->ppid = static_cast<uint32_t>(getppid());
  process->state = MP_STATE_RECORDING;
  process->clockMode = MP_CLOCK_TSC;
  process->startRealtimeNs = nanoseconds(CLOCK_REALTIME);
  process->startMonotonicNs = nanoseconds(CLOCK_MONOTONIC);
  process->clockBase = __rdtsc();
  process->metaOffset = MP_PAGE;
  process->metaBytes = metaBytes;
  process->maxFrames = 256;
  process->cutStacks = 3;

  auto* nodes = static_cast<StackNode*>(makeFile(fileName(".s0"), sizeof(StackNode) * MP_STACK_CHUNK_NODES));
  for (uint32_t marker = 1; marker < MP_STACK_FIRST_FREE_ID; marker++) {
    nodes[marker] = {uint64_t{MP_FRAME_MARKER} << 60 | marker, 0, 1};
  }
  nodes[6] = {uint64_t{MP_FRAME_NATIVE} << 60 | uint64_t{1} << 40 | 0x1234, 0, 1};
  nodes[7] = {uint64_t{MP_FRAME_JS_CODE} << 60 | uint64_t{5} << 32 | 0x77, 6, 2};
  nodes[8] = {uint64_t{MP_FRAME_UNKNOWN} << 60 | 0x7fffdeadbeef, 7, 3};
  process->stackChunkCount = 1;
  process->stackNodeCount = 9;
  publishFile(fileName(".s0"));

  std::vector<Ring*> rings;
  for (uint32_t i = 0; i < threads; i++) rings.push_back(new Ring(i, ringBytes));
  storeRelease(&process->ringCount, threads);
  publishFile(name);

  Meta(MP_META_PROCESS).text("/bin/dump").text("/tmp").put32(2).text("dump").text("an argument").publish();
  Meta(MP_META_MODULE)
      .put32(1)
      .put32(MP_MODULE_EXECUTABLE)
      .put64(0x400000)
      .put64(0x401000)
      .put64(0x500000)
      .put64(5)
      .text("\x01\xab")
      .text("/bin/dump")
      .publish();
  Meta(MP_META_CODE)
      .put32(5)
      .put32(MP_CODE_JIT)
      .put64(0x1000)
      .put64(0x200)
      .put32(0)
      .text("JS:~f /app.js:12:3")
      .publish();
  // Offsets 3 and 8 at the positions 70 and 65; position 65 at line 4, column 10.
  Meta(MP_META_CODE_LINES)
      .put32(5)
      .put32(77)
      .put32(2)
      .put32(1)
      .text("\x03\x8c\x01\x05\x09\x41\x08\x0a")
      .publish();
  Meta(MP_META_TEXT).put32(9).put32(0).text("half way").publish();
  Meta(MP_META_AGENT)
      .text(
          "{\"nodeVersion\":\"v20.1.0\",\"v8Version\":\"11\",\"threadId\":0,\"isMainThread\":true,"
          "\"execArgv\":[]}")
      .publish();
  process->moduleCount = 1;
  process->codeCount = 1;

  std::vector<std::thread> workers;
  for (uint32_t t = 0; t < threads; t++) {
    workers.emplace_back([t, pairs, &rings] {
      Ring& ring = *rings[t];
      ring.thread(t);
      for (uint32_t i = 0; i < pairs; i++) {
        ring.allocate(MP_ALLOC_MALLOC, addressOf(t, i % 1000), 16 + i % 1000, 6 + i % 3);
        ring.release(MP_FREE, addressOf(t, i % 1000));
      }
      // What stays: ten blocks a thread, the last above 4 GiB.
      for (uint32_t k = 0; k < 10; k++) {
        ring.allocate(MP_ALLOC_CALLOC, addressOf(t, 2000 + k), k == 9 ? (uint64_t{5} << 30) + 1 : 100 + k, 8);
      }
      if (t != 0) ring.record(MP_THREAD_END, {});
    });
  }
  for (auto& worker : workers) worker.join();

  Ring& first = *rings[0];
  first.record(MP_THREAD_NAME, {1000, 0x006e69616d, 0});
  first.record(MP_MAP, {0x10000, 0x4000, 6 | uint64_t{3} << 32 | uint64_t{0x22} << 40});
  first.record(MP_UNMAP, {0x11000, 0x1000});
  first.record(MP_REMAP, {0x12000, 0x2000, 0x90000, 0x5000, 7});
  first.record(MP_HEAP_BREAK, {0x600000, 0x621000, 8});
  first.record(MP_MARK, {MP_MARK_USER | uint64_t{9} << 32, 42});
  first.record(MP_MARK, {MP_MARK_BEFORE_TEARDOWN, 7 | uint64_t{MP_TEARDOWN_PROCESS_EXIT} << 32});
  first.release(MP_FREE_SIZED, addressOf(0, 2000));
  first.release(MP_FREE, 0xdead0);
  first.record(MP_EXIT, {MP_EXIT_EXIT | uint64_t{7} << 32});
  return 7;
}

#define FIELD(type, field) \
  printf("    \"" #type "." #field "\": [%zu, %zu],\n", offsetof(type, field), sizeof(type::field))
#define CONSTANT(name) printf("    \"" #name "\": %llu,\n", static_cast<unsigned long long>(name))
#define MAGIC(name) printf("    \"" #name "\": \"%llx\",\n", static_cast<unsigned long long>(name))

int layout() {
  printf("{\n  \"fields\": {\n");
  FIELD(SessionHeader, magic);
  FIELD(SessionHeader, abi);
  FIELD(SessionHeader, headerBytes);
  FIELD(SessionHeader, readerPid);
  FIELD(SessionHeader, flags);
  FIELD(SessionHeader, firstRingBytes);
  FIELD(SessionHeader, ringBytes);
  FIELD(SessionHeader, metaBytes);
  FIELD(SessionHeader, maxFrames);
  FIELD(SessionHeader, sampleBytes);
  FIELD(SessionHeader, untracedProcesses);
  FIELD(SessionHeader, untracedReason);
  FIELD(SessionHeader, untracedErrno);
  FIELD(ProcessHeader, magic);
  FIELD(ProcessHeader, abi);
  FIELD(ProcessHeader, headerBytes);
  FIELD(ProcessHeader, pid);
  FIELD(ProcessHeader, generation);
  FIELD(ProcessHeader, ppid);
  FIELD(ProcessHeader, state);
  FIELD(ProcessHeader, stopReason);
  FIELD(ProcessHeader, clockMode);
  FIELD(ProcessHeader, clockBase);
  FIELD(ProcessHeader, startRealtimeNs);
  FIELD(ProcessHeader, startMonotonicNs);
  FIELD(ProcessHeader, ringCount);
  FIELD(ProcessHeader, stackChunkCount);
  FIELD(ProcessHeader, stackNodeCount);
  FIELD(ProcessHeader, moduleCount);
  FIELD(ProcessHeader, codeCount);
  FIELD(ProcessHeader, metaOffset);
  FIELD(ProcessHeader, metaBytes);
  FIELD(ProcessHeader, maxFrames);
  FIELD(ProcessHeader, waitCount);
  FIELD(ProcessHeader, waitNs);
  FIELD(ProcessHeader, lostEvents);
  FIELD(ProcessHeader, untracedThreads);
  FIELD(ProcessHeader, nestedEvents);
  FIELD(ProcessHeader, cutStacks);
  FIELD(ProcessHeader, fullTableStacks);
  FIELD(ProcessHeader, stackCount);
  FIELD(ProcessHeader, rowMissCount);
  FIELD(ProcessHeader, reusedFrames);
  FIELD(ProcessHeader, bootstrapBytes);
  FIELD(ProcessHeader, realMalloc);
  FIELD(ProcessHeader, boundMalloc);
  FIELD(ProcessHeader, boundNew);
  FIELD(ProcessHeader, metaHead);
  FIELD(ProcessHeader, metaTail);
  FIELD(ProcessHeader, readerState);
  FIELD(ProcessHeader, readerPid);
  FIELD(ProcessHeader, checkpointWanted);
  FIELD(ProcessHeader, checkpointServed);
  FIELD(ProcessHeader, checkpointCount);
  FIELD(ProcessHeader, checkpointReason);
  FIELD(ProcessHeader, barrierCount);
  FIELD(RingHeader, magic);
  FIELD(RingHeader, abi);
  FIELD(RingHeader, ringIndex);
  FIELD(RingHeader, dataOffset);
  FIELD(RingHeader, dataBytes);
  FIELD(RingHeader, head);
  FIELD(RingHeader, busy);
  FIELD(RingHeader, tail);
  FIELD(StackNode, frame);
  FIELD(StackNode, parent);
  FIELD(StackNode, depth);
  FIELD(CheckpointHeader, magic);
  FIELD(CheckpointHeader, abi);
  FIELD(CheckpointHeader, headerBytes);
  FIELD(CheckpointHeader, number);
  FIELD(CheckpointHeader, reason);
  FIELD(CheckpointHeader, scanState);
  FIELD(CheckpointHeader, scannerPid);
  FIELD(CheckpointHeader, scanError);
  FIELD(CheckpointHeader, ownerState);
  FIELD(CheckpointHeader, threadCount);
  FIELD(CheckpointHeader, stoppedCount);
  FIELD(CheckpointHeader, ownerCount);
  FIELD(CheckpointHeader, stringBytes);
  FIELD(CheckpointHeader, ownersOffset);
  FIELD(CheckpointHeader, stringsOffset);
  FIELD(CheckpointHeader, collectNs);
  FIELD(CheckpointHeader, ownersNs);
  FIELD(CheckpointHeader, pauseNs);
  FIELD(CheckpointHeader, forkNs);
  FIELD(CheckpointHeader, scanNs);
  FIELD(CheckpointHeader, scannedBytes);
  FIELD(CheckpointHeader, skippedBytes);
  FIELD(CheckpointHeader, heapUsedBytes);
  FIELD(CheckpointHeader, heapTotalBytes);
  FIELD(CheckpointHeader, externalBytes);
  FIELD(CheckpointHeader, uncollectedCount);
  FIELD(CheckpointHeader, isolateCount);
  FIELD(CheckpointHeader, spaceCount);
  FIELD(CheckpointHeader, isolatesOffset);
  FIELD(CheckpointHeader, spacesOffset);
  FIELD(HeapFigures, totalBytes);
  FIELD(HeapFigures, executableBytes);
  FIELD(HeapFigures, physicalBytes);
  FIELD(HeapFigures, availableBytes);
  FIELD(HeapFigures, usedBytes);
  FIELD(HeapFigures, limitBytes);
  FIELD(HeapFigures, mallocedBytes);
  FIELD(HeapFigures, peakMallocedBytes);
  FIELD(HeapFigures, externalBytes);
  FIELD(HeapFigures, toldBytes);
  FIELD(HeapFigures, contextCount);
  FIELD(HeapFigures, detachedContextCount);
  FIELD(HeapFigures, handleBytes);
  FIELD(HeapFigures, usedHandleBytes);
  FIELD(IsolateRow, before);
  FIELD(IsolateRow, after);
  FIELD(IsolateRow, isolate);
  FIELD(IsolateRow, flags);
  FIELD(IsolateRow, spaceCount);
  FIELD(SpaceRow, name);
  FIELD(SpaceRow, committedBytes);
  FIELD(SpaceRow, usedBytes);
  FIELD(SpaceRow, availableBytes);
  FIELD(SpaceRow, physicalBytes);
  FIELD(OwnerRow, address);
  FIELD(OwnerRow, sizeBytes);
  FIELD(OwnerRow, snapshotId);
  FIELD(OwnerRow, object);
  FIELD(OwnerRow, className);
  FIELD(OwnerRow, kind);
  FIELD(OwnerRow, isolate);
  FIELD(BlocksHeader, magic);
  FIELD(BlocksHeader, abi);
  FIELD(BlocksHeader, headerBytes);
  FIELD(BlocksHeader, blockCount);
  FIELD(BlocksHeader, rangeCount);
  FIELD(BlocksHeader, addressOffset);
  FIELD(BlocksHeader, sizeOffset);
  FIELD(BlocksHeader, flagOffset);
  FIELD(BlocksHeader, rangeOffset);
  FIELD(BlocksHeader, reachOffset);
  FIELD(BlocksHeader, referrerOffset);
  FIELD(BlocksHeader, referrerBlockOffset);
  FIELD(BlocksHeader, insideOffset);
  FIELD(BlocksHeader, rootOffset);
  FIELD(BlocksHeader, firstWordOffset);
  FIELD(BlocksHeader, regionOffset);
  FIELD(BlocksHeader, frameOffset);
  FIELD(BlocksHeader, regionCapacity);
  FIELD(BlocksHeader, frameCapacity);
  FIELD(BlocksHeader, regionCount);
  FIELD(BlocksHeader, frameCount);
  FIELD(ScanRange, address);
  FIELD(ScanRange, sizeBytes);
  FIELD(ScanRange, kind);
  FIELD(ScanRegion, low);
  FIELD(ScanRegion, high);
  FIELD(ScanRegion, reach);
  FIELD(ScanRegion, id);
  FIELD(ScanFrame, low);
  FIELD(ScanFrame, frame);
  FIELD(ScanFrame, tid);
  FIELD(PictureHeader, magic);
  FIELD(PictureHeader, abi);
  FIELD(PictureHeader, headerBytes);
  FIELD(PictureHeader, heapCount);
  FIELD(PictureHeader, rangeCount);
  FIELD(PictureHeader, heapOffset);
  FIELD(PictureHeader, rangeOffset);
  FIELD(PictureHeader, fileBytes);
  FIELD(PictureHeader, mappedCount);
  FIELD(PictureHeader, mappedAskedBytes);
  FIELD(PictureHeader, mappedBytes);
  FIELD(PictureHeader, mappedResidentBytes);
  FIELD(PictureHeader, mappedAskedResidentBytes);
  FIELD(PictureHeader, strayCount);
  FIELD(PictureHeader, strayBytes);
  FIELD(PictureHeader, strayResidentBytes);
  FIELD(PictureHeader, ownOffset);
  FIELD(PictureHeader, ownCount);
  FIELD(HeapRow, low);
  FIELD(HeapRow, high);
  FIELD(HeapRow, arena);
  FIELD(HeapRow, flags);
  FIELD(HeapRow, count);
  FIELD(HeapRow, bytes);
  FIELD(HeapRow, resident);
  FIELD(HeapRow, liveAskedBytes);
  FIELD(HeapRow, liveAskedResidentBytes);
  FIELD(HeapRow, largestFreeBytes);
  FIELD(HeapRow, trimmableBytes);
  FIELD(PageRange, low);
  FIELD(PageRange, high);
  FIELD(PageRange, bitOffset);
  printf("    \"end\": [0, 0]\n  },\n  \"magics\": {\n");
  MAGIC(MP_WIRE_MAGIC_SESSION);
  MAGIC(MP_WIRE_MAGIC_PROCESS);
  MAGIC(MP_WIRE_MAGIC_RING);
  MAGIC(MP_WIRE_MAGIC_CHECKPOINT);
  MAGIC(MP_WIRE_MAGIC_BLOCKS);
  MAGIC(MP_WIRE_MAGIC_PICTURE);
  printf("    \"end\": \"\"\n  },\n  \"constants\": {\n");
  CONSTANT(MP_WIRE_ABI);
  CONSTANT(MP_PAGE);
  CONSTANT(MP_STACK_CHUNK_NODES);
  CONSTANT(MP_MAX_FRAMES);
  CONSTANT(MP_STACK_FIRST_FREE_ID);
  CONSTANT(MP_SESSION_CHECKPOINT_EXIT);
  CONSTANT(MP_SESSION_RETAINERS);
  CONSTANT(MP_UNTRACED_NONE);
  CONSTANT(MP_UNTRACED_NO_SPACE);
  CONSTANT(MP_UNTRACED_OPEN);
  CONSTANT(MP_UNTRACED_ABI);
  CONSTANT(MP_STATE_STARTING);
  CONSTANT(MP_STATE_RECORDING);
  CONSTANT(MP_STATE_STOPPED);
  CONSTANT(MP_STOP_NONE);
  CONSTANT(MP_STOP_READER_GONE);
  CONSTANT(MP_STOP_DETACHED);
  CONSTANT(MP_STOP_NO_SPACE);
  CONSTANT(MP_CLOCK_TSC);
  CONSTANT(MP_CLOCK_TICKET);
  CONSTANT(MP_READER_NONE);
  CONSTANT(MP_READER_ATTACHED);
  CONSTANT(MP_READER_DETACHED);
  CONSTANT(MP_ALLOC_MALLOC);
  CONSTANT(MP_ALLOC_CALLOC);
  CONSTANT(MP_ALLOC_REALLOC);
  CONSTANT(MP_ALLOC_REALLOCARRAY);
  CONSTANT(MP_ALLOC_POSIX_MEMALIGN);
  CONSTANT(MP_ALLOC_ALIGNED_ALLOC);
  CONSTANT(MP_ALLOC_MEMALIGN);
  CONSTANT(MP_ALLOC_VALLOC);
  CONSTANT(MP_ALLOC_PVALLOC);
  CONSTANT(MP_ALLOC_LAST);
  CONSTANT(MP_FREE);
  CONSTANT(MP_FREE_REALLOC);
  CONSTANT(MP_FREE_SIZED);
  CONSTANT(MP_FREE_ALIGNED_SIZED);
  CONSTANT(MP_FREE_LAST);
  CONSTANT(MP_MAP);
  CONSTANT(MP_UNMAP);
  CONSTANT(MP_REMAP);
  CONSTANT(MP_HEAP_BREAK);
  CONSTANT(MP_THREAD_BEGIN);
  CONSTANT(MP_THREAD_END);
  CONSTANT(MP_THREAD_NAME);
  CONSTANT(MP_MARK);
  CONSTANT(MP_FORK);
  CONSTANT(MP_EXIT);
  CONSTANT(MP_LOST);
  CONSTANT(MP_MARK_BEFORE_TEARDOWN);
  CONSTANT(MP_MARK_MALLOC_TRIM);
  CONSTANT(MP_MARK_USER);
  CONSTANT(MP_MARK_CHECKPOINT);
  CONSTANT(MP_MARK_COLLECT);
  CONSTANT(MP_MARK_QUIET);
  CONSTANT(MP_MARK_GC);
  CONSTANT(MP_RESOURCE_NEW);
  CONSTANT(MP_RESOURCE_END);
  CONSTANT(MP_RESOURCE_CHANGE);
  CONSTANT(MP_POOL_CREATE);
  CONSTANT(MP_POOL_MEMORY);
  CONSTANT(MP_POOL_DESTROY);
  CONSTANT(MP_POOL_CLEAR);
  CONSTANT(MP_POOL_ALLOC);
  CONSTANT(MP_POOL_FREE);
  CONSTANT(MP_BLOCK_TYPE);
  CONSTANT(MP_BLOCK_IGNORE);
  CONSTANT(MP_RESOURCE_WRAP);
  CONSTANT(MP_RESOURCE_REFERENCE);
  CONSTANT(MP_RESOURCE_EXTERNAL);
  CONSTANT(MP_RESOURCE_EXTERNAL_BUFFER);
  CONSTANT(MP_RESOURCE_EXTERNAL_ARRAYBUFFER);
  CONSTANT(MP_RESOURCE_ASYNC_WORK);
  CONSTANT(MP_RESOURCE_THREADSAFE_FUNCTION);
  CONSTANT(MP_RESOURCE_DEFERRED);
  CONSTANT(MP_RESOURCE_CLEANUP_HOOK);
  CONSTANT(MP_RESOURCE_ASYNC_CLEANUP_HOOK);
  CONSTANT(MP_RESOURCE_INSTANCE_DATA);
  CONSTANT(MP_RESOURCE_HANDLE_SCOPE);
  CONSTANT(MP_RESOURCE_EXTERNAL_MEMORY);
  CONSTANT(MP_RESOURCE_FINALIZER);
  CONSTANT(MP_RESOURCE_PERSISTENT);
  CONSTANT(MP_RESOURCE_ASYNC_CONTEXT);
  CONSTANT(MP_RESOURCE_END_EXPLICIT);
  CONSTANT(MP_RESOURCE_END_FINALIZED);
  CONSTANT(MP_RESOURCE_END_TEARDOWN);
  CONSTANT(MP_CHECKPOINT_EXIT);
  CONSTANT(MP_CHECKPOINT_PROGRAM);
  CONSTANT(MP_CHECKPOINT_DEMAND);
  CONSTANT(MP_CHECKPOINT_INTERVAL);
  CONSTANT(MP_CHECKPOINT_SIGNAL);
  CONSTANT(MP_OWNERS_NONE);
  CONSTANT(MP_OWNERS_COMPLETE);
  CONSTANT(MP_OWNERS_PARTIAL);
  CONSTANT(MP_OWNERS_FAILED);
  CONSTANT(MP_ISOLATE_MAIN);
  CONSTANT(MP_ISOLATE_COLLECTED);
  CONSTANT(MP_OWNER_ARRAYBUFFER);
  CONSTANT(MP_OWNER_SHARED_ARRAYBUFFER);
  CONSTANT(MP_OWNER_WASM_MEMORY);
  CONSTANT(MP_OWNER_WRAP);
  CONSTANT(MP_OWNER_EXTERNAL);
  CONSTANT(MP_OWNER_INTERNAL_FIELD);
  CONSTANT(MP_OWNER_HINT);
  CONSTANT(MP_BLOCK_RUNTIME);
  CONSTANT(MP_BLOCK_OURS);
  CONSTANT(MP_BLOCK_POOL);
  CONSTANT(MP_REACH_UNKNOWN);
  CONSTANT(MP_REACH_OWNER);
  CONSTANT(MP_REACH_GLOBAL);
  CONSTANT(MP_REACH_TLS);
  CONSTANT(MP_REACH_STACK);
  CONSTANT(MP_REACH_REGISTER);
  CONSTANT(MP_REACH_MAPPING);
  CONSTANT(MP_REACH_V8);
  CONSTANT(MP_REACH_LOST);
  CONSTANT(MP_REACH_LOST_INDIRECT);
  CONSTANT(MP_SCAN_WAITING);
  CONSTANT(MP_SCAN_RUNNING);
  CONSTANT(MP_SCAN_DONE);
  CONSTANT(MP_SCAN_FAILED);
  CONSTANT(MP_SCAN_NONE);
  CONSTANT(MP_RANGE_MAPPING);
  CONSTANT(MP_RANGE_V8);
  CONSTANT(MP_RANGE_ALLOCATOR);
  CONSTANT(MP_PART_INFO);
  CONSTANT(MP_PART_LIVE);
  CONSTANT(MP_PART_TCACHE);
  CONSTANT(MP_PART_FAST);
  CONSTANT(MP_PART_OTHER);
  CONSTANT(MP_PART_FREE);
  CONSTANT(MP_PART_TOP);
  CONSTANT(MP_PART_COUNT);
  CONSTANT(MP_WALK_MAIN);
  CONSTANT(MP_WALK_WHOLE);
  CONSTANT(MP_WALK_LAST);
  CONSTANT(MP_TEARDOWN_NATURAL);
  CONSTANT(MP_TEARDOWN_PROCESS_EXIT);
  CONSTANT(MP_TEARDOWN_UNCAUGHT);
  CONSTANT(MP_EXIT_EXIT);
  CONSTANT(MP_EXIT_UNDERSCORE);
  CONSTANT(MP_EXIT_QUICK);
  CONSTANT(MP_EXIT_EXEC);
  CONSTANT(MP_EXIT_EXEC_FAILED);
  CONSTANT(MP_FRAME_NATIVE);
  CONSTANT(MP_FRAME_NATIVE_PC);
  CONSTANT(MP_FRAME_JS_BYTECODE);
  CONSTANT(MP_FRAME_JS_CODE);
  CONSTANT(MP_FRAME_BUILTIN);
  CONSTANT(MP_FRAME_UNKNOWN);
  CONSTANT(MP_FRAME_V8_UNNAMED);
  CONSTANT(MP_FRAME_MARKER);
  CONSTANT(MP_MARKER_CUT);
  CONSTANT(MP_MARKER_NESTED);
  CONSTANT(MP_MARKER_TABLE_FULL);
  CONSTANT(MP_MARKER_NOT_TAKEN);
  CONSTANT(MP_MARKER_BROKEN);
  CONSTANT(MP_MARKER_GAP);
  CONSTANT(MP_META_PROCESS);
  CONSTANT(MP_META_MODULE);
  CONSTANT(MP_META_MODULE_GONE);
  CONSTANT(MP_META_CODE);
  CONSTANT(MP_META_TEXT);
  CONSTANT(MP_META_AGENT);
  CONSTANT(MP_META_CODE_LINES);
  CONSTANT(MP_MODULE_EXECUTABLE);
  CONSTANT(MP_MODULE_VDSO);
  CONSTANT(MP_MODULE_SHIM);
  CONSTANT(MP_CODE_BYTECODE);
  CONSTANT(MP_CODE_JIT);
  CONSTANT(MP_CODE_BUILTIN);
  CONSTANT(MP_CODE_OTHER);
  printf(
      "    \"end\": 0\n  },\n  \"sizes\": {\"StackNode\": %zu, \"OwnerRow\": %zu, \"ScanRange\": %zu, "
      "\"ScanRegion\": %zu, \"ScanFrame\": %zu, \"HeapRow\": %zu, \"PageRange\": %zu, "
      "\"IsolateRow\": %zu, \"SpaceRow\": %zu}\n}\n",
      sizeof(StackNode), sizeof(OwnerRow), sizeof(ScanRange), sizeof(ScanRegion), sizeof(ScanFrame),
      sizeof(HeapRow), sizeof(PageRange), sizeof(IsolateRow), sizeof(SpaceRow));
  return 0;
}

uint32_t number(int argc, char** argv, int index, uint32_t fallback) {
  return index < argc ? static_cast<uint32_t>(strtoul(argv[index], nullptr, 10)) : fallback;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc >= 2 && strcmp(argv[1], "layout") == 0) return layout();
  if (argc >= 3 && strcmp(argv[1], "write") == 0) {
    sessionFolder = argv[2];
    return write(number(argc, argv, 3, 1), number(argc, argv, 4, 1000), number(argc, argv, 5, 1u << 20));
  }
  fprintf(stderr, "usage: wire_dump layout | write <session> [threads] [pairs] [ringBytes]\n");
  return 2;
}
