// The boundary: everything that crosses from the traced process to the reader is defined here and
// nowhere else. The shim writes it, the TypeScript reader parses it (src/record/wire.ts mirrors the
// offsets and is tested against bytes that this header's own dump program wrote).
//
// ABI rule: any change of a size, an offset, a type number or a meaning below raises MP_WIRE_ABI.
// Shim and reader ship together, so there is no compatibility window: an unequal ABI is refused.
//
// Files of one session, all in a private directory (0700) named by MEMPROF_SESSION:
//
//   session            SessionHeader. memprof-run creates it and holds flock(LOCK_EX) on it while it
//                      lives, so anybody can ask the kernel whether the reader is gone.
//   p<pid>.<gen>       ProcessHeader, then the meta ring. gen counts images: exec gives a new one.
//   p<pid>.<gen>.r<k>  ring k: RingHeader, then the records of one thread at a time.
//   p<pid>.<gen>.s<k>  stack chunk k: StackNode[MP_STACK_CHUNK_NODES].
//   p<pid>.<gen>.k<n>  checkpoint n, from 1: CheckpointHeader, then what the agent found (below).
//   p<pid>.<gen>.k<n>.b  the live blocks at checkpoint n, made by the reader; the scanner answers in it.
//   p<pid>.<gen>.m<n>  pages and heaps at checkpoint n: PictureHeader, made by the scanner.
//   p<pid>.<gen>.v<n>  all mappings at checkpoint n: the kernel's text, /proc/self/smaps.
//   p<pid>.<gen>.k<n>.heapsnapshot  V8's heap snapshot taken for checkpoint n, if it was asked for.
//   p<pid>.<gen>.q<n>  question n of the program: UTF-8, at most MP_MAX_QUESTION_BYTES. The program removes it
//                      when it waits no more.
//   p<pid>.<gen>.a<n>  the reader's answer to it: UTF-8.
//
// Every file has its whole size, reserved (posix_fallocate), before it gets its name (it is made as
// ".tmp.<name>" and renamed), so the reader never maps a half-made file and nobody meets SIGBUS. A ring has its
// whole size, too, but its memory only as far as its producer may write: nobody may touch more. (Questions and
// answers are read, not mapped, and reserve nothing.)
//
// All integers are little endian. "Word" is 8 bytes.
#ifndef MEMPROF_WIRE_H
#define MEMPROF_WIRE_H

#include <stddef.h>
#include <stdint.h>

#define MP_WIRE_MAGIC_SESSION UINT64_C(0x5331464f52504d45)     // "EMPROF1S"
#define MP_WIRE_MAGIC_PROCESS UINT64_C(0x5031464f52504d45)     // "EMPROF1P"
#define MP_WIRE_MAGIC_RING UINT64_C(0x5231464f52504d45)        // "EMPROF1R"
#define MP_WIRE_MAGIC_CHECKPOINT UINT64_C(0x4b31464f52504d45)  // "EMPROF1K"
#define MP_WIRE_MAGIC_BLOCKS UINT64_C(0x4231464f52504d45)      // "EMPROF1B"
#define MP_WIRE_MAGIC_PICTURE UINT64_C(0x4d31464f52504d45)     // "EMPROF1M"
#define MP_WIRE_ABI 10u

#define MP_PAGE 4096u
#define MP_STACK_CHUNK_NODES 65536u
#define MP_MAX_FRAMES 256u
#define MP_QUIET_BYTES 24u
#define MP_QUIET_STEP 4096u
#define MP_MAX_QUESTION_BYTES (1u << 20)

// ---------------------------------------------------------------------------------------------
// Session: written by memprof-run before the first traced process starts.

typedef struct SessionHeader {
  uint64_t magic;
  uint32_t abi;
  uint32_t headerBytes;  // MP_PAGE
  uint32_t readerPid;
  uint32_t flags;           // MP_SESSION_*
  uint32_t firstRingBytes;  // data bytes of a process's first ring: a power of two
  uint32_t ringBytes;       // data bytes of every further ring: a power of two
  uint32_t metaBytes;       // data bytes of the meta ring: a power of two
  uint32_t maxFrames;       // 1..MP_MAX_FRAMES
  uint64_t sampleBytes;     // 0: record everything; else the Poisson sampling interval
  // Counters raised by processes that could not join (atomic add):
  uint32_t untracedProcesses;
  uint32_t untracedReason;  // MP_UNTRACED_* of the last one
  uint32_t untracedErrno;
} SessionHeader;

enum {
  MP_SESSION_CHECKPOINT_EXIT = 1u << 1,  // take a checkpoint before the end
  MP_SESSION_RETAINERS = 1u << 2,        // a heap snapshot with each checkpoint, and owners' ids in it
};

enum {
  MP_UNTRACED_NONE = 0,
  MP_UNTRACED_NO_SPACE = 1,  // posix_fallocate failed
  MP_UNTRACED_OPEN = 2,      // the session's folder cannot be written
  MP_UNTRACED_ABI = 3,       // shim and reader of different versions
};

// ---------------------------------------------------------------------------------------------
// Process: one image of one process.

typedef struct ProcessHeader {
  uint64_t magic;             // 0
  uint32_t abi;               // 8
  uint32_t headerBytes;       // 12  MP_PAGE
  uint32_t pid;               // 16
  uint32_t generation;        // 20
  uint32_t ppid;              // 24
  uint32_t state;             // 28  MP_STATE_*
  uint32_t stopReason;        // 32  MP_STOP_*
  uint32_t clockMode;         // 36  MP_CLOCK_*
  uint64_t clockBase;         // 40  raw TSC at tick 0 (0 in ticket mode)
  uint64_t startRealtimeNs;   // 48  CLOCK_REALTIME when clockBase was read
  uint64_t startMonotonicNs;  // 56  CLOCK_MONOTONIC when clockBase was read
  uint32_t ringCount;         // 64  rings 0..n-1 exist (release store)
  uint32_t stackChunkCount;   // 68  chunks 0..n-1 exist (release store)
  uint32_t stackNodeCount;    // 72  node ids below this may be in use
  uint32_t moduleCount;       // 76
  uint32_t codeCount;         // 80
  uint32_t metaOffset;        // 84  MP_PAGE
  uint32_t metaBytes;         // 88
  uint32_t maxFrames;         // 92
  // Counters: kept by the shim with relaxed atomics, read by the reader at any time.
  uint64_t waitCount;        // 96   times that a thread waited for a full ring
  uint64_t waitNs;           // 104  time spent so
  uint64_t lostEvents;       // 112  events that could not be recorded (their lifetimes are unknown)
  uint64_t untracedThreads;  // 120  threads that got no ring
  uint64_t nestedEvents;     // 128  events of a signal handler that interrupted the shim itself
  uint64_t cutStacks;        // 136  stacks deeper than maxFrames
  uint64_t fullTableStacks;  // 144  stacks not kept because the table could not grow
  uint64_t stackCount;       // 152  stacks taken
  uint64_t rowMissCount;     // 160  unwind rows parsed
  uint64_t reusedFrames;     // 168  frames taken over from the thread's last stack
  uint64_t bootstrapBytes;   // 176  given out before the real allocator was known, never recorded
  // Whose memory it is. 0: not known.
  uint64_t realMalloc;  // 184  the malloc behind the shim's
  uint64_t
      boundMalloc;    // 192  the one that images are bound to: the shim's own, or the program passes it by;
                      //      0: the shim's
  uint64_t boundNew;  // 200  operator new(size_t), as images are bound to it; 0: there is none
  uint8_t pad0[256 - 208];
  // 256: the meta ring. Multi-producer under a lock of the shim, single consumer.
  uint32_t metaHead;  // 256  words published, mod 2^32 (release store)
  uint8_t pad1[60];
  uint32_t metaTail;  // 320  words consumed, mod 2^32 (reader)
  uint8_t pad2[60];
  // 384: written by the reader.
  uint32_t readerState;  // 384  MP_READER_*
  uint32_t readerPid;    // 388
  // Checkpoints on demand. Whoever wants one adds 1 to wanted and wakes it as a futex (shared); the agent
  // takes one and stores the value of wanted that it has served.
  uint32_t checkpointWanted;  // 392
  uint32_t checkpointServed;  // 396
  uint32_t checkpointCount;   // 400  checkpoints 1..n have been taken (release store, after their mark)
  uint32_t checkpointReason;  // 404  why: MP_CHECKPOINT_* | signal << 8, stored before wanted is raised
  uint32_t barrierCount;  // 408  barriers on this process's threads, counted by the reader when each is over
} ProcessHeader;

enum { MP_STATE_STARTING = 0, MP_STATE_RECORDING = 1, MP_STATE_STOPPED = 2 };
enum {
  MP_STOP_NONE = 0,
  MP_STOP_READER_GONE = 1,  // a full ring and nobody holds the session's lock
  MP_STOP_DETACHED = 2,     // the reader asked for it
  MP_STOP_NO_SPACE = 3,
};
enum {
  MP_CLOCK_TSC = 0,     // ticks of the invariant TSC since clockBase
  MP_CLOCK_TICKET = 1,  // a shared counter: an order without a duration
};
enum { MP_READER_NONE = 0, MP_READER_ATTACHED = 1, MP_READER_DETACHED = 2 };

// ---------------------------------------------------------------------------------------------
// Ring: one producer (the thread that holds it), one consumer. A ring outlives its thread: after
// THREAD_END another thread may take it over and writes THREAD_BEGIN.
//
//   head   stored with release after the record's words: pairs with the reader's acquire load. A
//          process killed at any instruction leaves only whole records below head.
//   busy   1 from before a record's timestamp is taken until after its head store. Plain stores: the
//          reader pays for the fence with membarrier(GLOBAL_EXPEDITED). It counts them in barrierCount, for
//          a thread that wants to own the clock rests on them, too (ring/clock.h).
//   tail   stored with release by the reader once it has copied the words out.
//
// Words wrap at dataBytes / 8; a record may wrap in its middle. head and tail count words mod 2^32.
//
// The reader's horizon, a tick below which no thread can still publish:
//   now = rdtsc; membarrier(); then for each ring: if busy is 0, its bound is now; else its bound is
//   the tick of its last published record (ticks of one ring never fall). The horizon is the least.

typedef struct RingHeader {
  uint64_t magic;       // 0
  uint32_t abi;         // 8
  uint32_t ringIndex;   // 12
  uint32_t dataOffset;  // 16  MP_PAGE
  uint32_t dataBytes;   // 20  a power of two
  uint8_t pad0[64 - 24];
  uint32_t head;  // 64
  uint32_t busy;  // 68
  uint8_t pad1[128 - 72];
  uint32_t tail;  // 128
} RingHeader;

// Record, word 0:
//
//    63      56 55                                                     0
//   +----------+-------------------------------------------------------+
//   |   type   |  tick: its place in the one order of the process       |
//   +----------+-------------------------------------------------------+
//
// A block event's word 1, and an allocation's word 2:
//
//    63           48 47                                                0
//   +---------------+---------------------------------------------------+
//   | size, low 16  |  address                                          |   (release: high 16 = 0)
//   +---------------+---------------------------------------------------+
//    63                               32 31                            0
//   +-----------------------------------+-------------------------------+
//   |  size, high 32                    |  stack id                     |
//   +-----------------------------------+-------------------------------+
//
// Worked: malloc(0x1234567) = 0x7f00deadbee0 with stack 42 at tick 5000 is
//   01000000 00001388 | 4567 7f00deadbee0 | 00000123 0000002a
//
// size is what the program asked for (aligned_alloc: its size; calloc: the product).
//
// realloc that moves, grows or shrinks writes FREE_REALLOC (its tick taken before the real call) and
// ALLOC_REALLOC (its tick taken after it) and publishes both with one head store; busy stays 1 over
// the real call, so the horizon waits and a failed realloc needs no record at all. realloc(p, 0)
// that frees writes FREE_REALLOC alone; realloc(NULL, n) writes ALLOC_REALLOC alone.

enum MpRecordType {
  // Allocations: 3 words.
  MP_ALLOC_MALLOC = 0x01,
  MP_ALLOC_CALLOC = 0x02,
  MP_ALLOC_REALLOC = 0x03,
  MP_ALLOC_REALLOCARRAY = 0x04,
  MP_ALLOC_POSIX_MEMALIGN = 0x05,
  MP_ALLOC_ALIGNED_ALLOC = 0x06,
  MP_ALLOC_MEMALIGN = 0x07,
  MP_ALLOC_VALLOC = 0x08,
  MP_ALLOC_PVALLOC = 0x09,
  MP_ALLOC_LAST = 0x1f,
  // Releases: 2 words.
  MP_FREE = 0x20,
  MP_FREE_REALLOC = 0x21,
  MP_FREE_SIZED = 0x22,
  MP_FREE_ALIGNED_SIZED = 0x23,
  MP_FREE_LAST = 0x2f,
  // Mappings. w1 address, w2 length in bytes.
  MP_MAP = 0x30,         // 4 words; w3: stack id | prot (8 bits) << 32 | flags (24 bits) << 40
  MP_UNMAP = 0x31,       // 3 words
  MP_REMAP = 0x32,       // 6 words; w1 old address, w2 old length, w3 new address, w4 new length, w5 stack id
  MP_HEAP_BREAK = 0x33,  // 4 words; w1 old break, w2 new break, w3 stack id
  // Threads.
  MP_THREAD_BEGIN = 0x40,  // 3 words; w1: kernel tid | thread index << 32 (dense, from 0); w2: pthread_self
  MP_THREAD_END = 0x41,    // 1 word
  MP_THREAD_NAME = 0x42,   // 4 words; w1: kernel tid named; w2..w3: name, 16 bytes, NUL padded
  // The process.
  MP_MARK = 0x50,  // 3 words; w1: mark kind | text id << 32 (0: none, else a META_TEXT); w2: value
  MP_FORK = 0x51,  // 2 words; w1: the child's pid
  MP_EXIT = 0x52,  // 2 words; w1: MP_EXIT_* | status << 32
  MP_LOST = 0x53,  // 2 words; w1: events of this thread lost before this place
  // Node-API and V8 resources (the ledger of addons).
  //   w1: kind MP_RESOURCE_* (8 bits) | flags (8) << 8 | environment (16) << 16 | stack id << 32
  //   w2: the resource's id: unique in the process, from 1; never reused
  // NEW again for an id that exists: what has become known of it meanwhile (its stack id is 0).
  MP_RESOURCE_NEW = 0x60,  // 7 words; flags: MP_RESOURCE_UNWATCHED; w3: address of the native data that it
                           // stands for, 0: none; w4: its handle (napi_ref, napi_async_work, ...), 0: none;
                           // w5: value, below; w6: text id of the JavaScript class (low 32 bits), 0: unknown
  MP_RESOURCE_END = 0x61,  // 3 words; flags: MP_RESOURCE_END_*
  MP_RESOURCE_CHANGE = 0x62,  // 4 words; w3: the new value (signed); id 0: of the environment as a whole
  // What the program says by include/memprof.h. w1: the pool: any address that stands for it; or the block.
  // text: id of a META_TEXT, 0: none.
  MP_POOL_CREATE = 0x70,   // 5 words; w2: its memory, 0: not told; w3: bytes; w4: stack id | text << 32
  MP_POOL_MEMORY = 0x71,   // 4 words; w2: more of its memory; w3: bytes
  MP_POOL_DESTROY = 0x72,  // 2 words; its blocks end with it
  MP_POOL_CLEAR = 0x73,    // 2 words; all its blocks end, the pool stays
  MP_POOL_ALLOC = 0x74,    // 5 words; w2: address; w3: bytes; w4: stack id
  MP_POOL_FREE = 0x75,     // 3 words; w2: address
  MP_BLOCK_TYPE = 0x76,    // 3 words; w2: text
  MP_BLOCK_IGNORE = 0x77,  // 2 words
};

// The value of a resource: EXTERNAL_*, ARRAYBUFFER: bytes; REFERENCE, WRAP, PERSISTENT: the count of
// strong holds; THREADSAFE_FUNCTION: the threads that hold it; EXTERNAL_MEMORY: bytes that V8 was told of;
// otherwise 0.
enum MpResource {
  MP_RESOURCE_WRAP = 1,
  MP_RESOURCE_REFERENCE = 2,
  MP_RESOURCE_EXTERNAL = 3,
  MP_RESOURCE_EXTERNAL_BUFFER = 4,
  MP_RESOURCE_EXTERNAL_ARRAYBUFFER = 5,
  MP_RESOURCE_ASYNC_WORK = 6,
  MP_RESOURCE_THREADSAFE_FUNCTION = 7,
  MP_RESOURCE_DEFERRED = 8,
  MP_RESOURCE_CLEANUP_HOOK = 9,
  MP_RESOURCE_ASYNC_CLEANUP_HOOK = 10,
  MP_RESOURCE_INSTANCE_DATA = 11,
  MP_RESOURCE_HANDLE_SCOPE = 12,
  MP_RESOURCE_EXTERNAL_MEMORY = 13,  // one an environment and site; changed by the calls that tell V8
  MP_RESOURCE_FINALIZER = 14,        // napi_add_finalizer, node_api_post_finalizer
  MP_RESOURCE_PERSISTENT = 15,       // raw V8 and nan: v8::Global, v8::Persistent
  MP_RESOURCE_ASYNC_CONTEXT = 16,
};
enum { MP_RESOURCE_UNWATCHED = 1 };  // nobody will tell when it ends: it has no finalizer
enum {
  MP_RESOURCE_END_EXPLICIT = 0,   // the addon released it
  MP_RESOURCE_END_FINALIZED = 1,  // its object was collected and its finalizer ran
  MP_RESOURCE_END_TEARDOWN = 2,   // the environment's end took it
};

enum MpMark {
  MP_MARK_BEFORE_TEARDOWN = 1,  // the agent, in the exit event; value: exit code | MP_TEARDOWN_* << 32
  MP_MARK_MALLOC_TRIM = 2,      // value: the pad argument
  MP_MARK_USER = 3,
  MP_MARK_CHECKPOINT = 4,  // value: its number. All other threads stand still while it is written
  MP_MARK_QUESTION = 5,    // value: its number: the program asks the reader something, as of this place
  // What this thread allocates between the two is nobody's leak. They nest. value: 0
  MP_MARK_IGNORE_BEGIN = 6,
  MP_MARK_IGNORE_END = 7,
  // The agent, before V8 collects garbage for the next checkpoint. What goes between the two went because V8 was
  // made to collect. value: resident bytes of the process
  MP_MARK_COLLECT = 8,
  // While the agent has V8 list its objects: value: so many blocks of MP_QUIET_BYTES it holds here that are not recorded
  // one by one. At every MP_QUIET_STEP of them, as long as they grow; 0 at the end.
  MP_MARK_QUIET = 9,
  // The agent, when V8 has collected garbage on this thread, until Node's teardown. value: nanoseconds that the
  // thread stood still | MP_GC_* << 56
  MP_MARK_GC = 10,
};
// v8::GCType.
enum { MP_GC_SCAVENGE = 1, MP_GC_MINOR_MARK_SWEEP = 2, MP_GC_MARK_COMPACT = 4 };
enum { MP_TEARDOWN_NATURAL = 0, MP_TEARDOWN_PROCESS_EXIT = 1, MP_TEARDOWN_UNCAUGHT = 2 };
enum {
  MP_EXIT_EXIT = 1,
  MP_EXIT_UNDERSCORE = 2,
  MP_EXIT_QUICK = 3,
  MP_EXIT_EXEC = 4,
  MP_EXIT_EXEC_FAILED = 5
};

// ---------------------------------------------------------------------------------------------
// Stack table: a trie, one node a frame, ids from 0 without gaps. A parent's id is always below its
// child's. A stack's id is its leaf's node; following parent leads to the root. Node 0 ends a stack.
// A node is written before any record that carries its id (or a descendant's) is published.

typedef struct StackNode {
  uint64_t frame;
  uint32_t parent;
  uint32_t depth;  // node 0: 0; its children: 1
} StackNode;

// Frame: kind in bits 60..63.
//   NATIVE        module id (20 bits) << 40 | address - base (40 bits); a return address
//   NATIVE_PC     the same, but the interrupted instruction itself (a signal frame's caller)
//   JS_BYTECODE   code id (28 bits) << 32 | offset in the bytecode array (32 bits)
//   JS_CODE       code id << 32 | return address - code start
//   BUILTIN       code id << 32 | return address - code start
//   UNKNOWN       the bare address (48 bits): no module and no code that anybody announced
//   V8_UNNAMED    the bare address: V8's code, but from before its names were announced
//   NATIVE_RECOVERED  as NATIVE, in code without unwind rows: the frame above it (towards the root) was
//                 found by reading the code, not from rows
//   MARKER        MP_MARKER_*: not a frame, a fact about the stack at this place
enum MpFrameKind {
  MP_FRAME_NATIVE = 1,
  MP_FRAME_NATIVE_PC = 2,
  MP_FRAME_JS_BYTECODE = 3,
  MP_FRAME_JS_CODE = 4,
  MP_FRAME_BUILTIN = 5,
  MP_FRAME_UNKNOWN = 6,
  MP_FRAME_V8_UNNAMED = 7,
  MP_FRAME_MARKER = 8,
  MP_FRAME_NATIVE_RECOVERED = 9,
};

// Markers. The first five are also the ids of ready-made nodes (parent 0).
enum MpMarker {
  MP_MARKER_CUT = 1,         // root side: the stack was deeper than maxFrames; frames above are missing
  MP_MARKER_NESTED = 2,      // allocated by a signal handler that interrupted the shim; no stack taken
  MP_MARKER_TABLE_FULL = 3,  // the stack table could not grow
  MP_MARKER_NOT_TAKEN = 4,   // no stack could be taken
  MP_MARKER_BROKEN = 5,      // root side: the walk ended before the thread's first frame
  MP_MARKER_GAP = 6,         // between two frames: frames may be missing here (no longer written, still read)
  MP_MARKER_QUEUED = 8,      // above it (towards the root) is the stack that queued this thread's work
};
#define MP_STACK_FIRST_FREE_ID 6u

// ---------------------------------------------------------------------------------------------
// Meta ring: facts without an order of their own, each published before anything refers to it.
// A record: uint32 type, uint32 bytes (whole record, a multiple of 8), payload. A string is uint32
// length, then that many bytes (any bytes: not promised to be UTF-8). Fields follow each other
// without padding; only the record's end is padded.

enum MpMeta {
  MP_META_PROCESS = 1,  // string exe; string cwd; uint32 argc; string argv[argc]
  MP_META_MODULE = 2,   // uint32 id, flags (MP_MODULE_*); uint64 base, low, high, tick; string buildId (raw
                        // bytes); string path. base: load bias; low..high: the addresses it covers
  MP_META_MODULE_GONE = 3,  // uint32 id, 0; uint64 tick
  MP_META_CODE = 4,  // uint32 id, kind (MP_CODE_*); uint64 start, length; uint32 isolate (dense); string name
                     // (as V8 gives it: "JS:~name /file.js:12:3", "Builtin:ArrayMap", ...)
  MP_META_TEXT = 5,  // uint32 id, 0; string text
  MP_META_AGENT = 6,       // string json: {"nodeVersion","v8Version","threadId","isMainThread","execArgv"}
  MP_META_CODE_LINES = 7,  // uint32 code id; int32 script (V8's number); uint32 entries; uint32 runs; string
                           // bytes: below
};
// CODE_LINES: where in the script's source the code stands, all numbers as varints (LEB128), signed ones
// zigzag. First the entries: offset in the code - the one before, signed position in the source - the one
// before; an entry holds up to the next one's offset. Then the runs: position - the one before, signed line
// - the one before, column; the positions from there to the next run's stand on that line, one column
// after another. Lines and columns are from 1, positions from 0. "The one before" the first in a record is
// 0. A long table comes in several records, which continue each other. Machine code has no runs: its
// positions are those of the bytecode of the same function (same script, same name but for the tier) or,
// where a call was inlined, of any other function.
enum { MP_MODULE_EXECUTABLE = 1u << 0, MP_MODULE_VDSO = 1u << 1, MP_MODULE_SHIM = 1u << 2 };
enum { MP_CODE_BYTECODE = 1, MP_CODE_JIT = 2, MP_CODE_BUILTIN = 3, MP_CODE_OTHER = 4 };

// ---------------------------------------------------------------------------------------------
// Checkpoints. In this order:
//   1. The agent writes MP_MARK_COLLECT, collects garbage, drains finalizers, and hands what JavaScript objects own to the shim. (In
//      programs without an agent: nothing. The shim takes one by itself when they end.)
//   2. The shim makes the checkpoint's file, stops the other threads, writes MP_MARK_CHECKPOINT, forks the
//      scanner, and lets the threads go on. The scanner is a copy of the process at the mark.
//   3. The reader comes to the mark, and makes the blocks' file of what is live there.
//   4. The scanner waits for it, scans, writes its columns, stores state = MP_SCAN_DONE, and ends.
// Whoever finds the other side dead gives up: what is missing is told as unknown.

typedef struct CheckpointHeader {
  uint64_t magic;             // 0
  uint32_t abi;               // 8
  uint32_t headerBytes;       // 12  MP_PAGE
  uint32_t number;            // 16
  uint32_t reason;            // 20  MP_CHECKPOINT_*
  uint32_t scanState;         // 24  MP_SCAN_* (release store by the scanner)
  uint32_t scannerPid;        // 28  0: could not be forked
  uint32_t scanError;         // 32  errno of what failed, 0: nothing
  uint32_t ownerState;        // 36  MP_OWNERS_*
  uint32_t threadCount;       // 40  threads of the process but the one that took the checkpoint
  uint32_t stoppedCount;      // 44  of them, those that stood still with their registers saved
  uint32_t ownerCount;        // 48
  uint32_t stringBytes;       // 52
  uint64_t ownersOffset;      // 56  OwnerRow[ownerCount]
  uint64_t stringsOffset;     // 64  UTF-8, each closed by NUL; OwnerRow.className is an offset in it
  uint64_t collectNs;         // 72  time in garbage collection and finalizers
  uint64_t ownersNs;          // 80  time in finding owners, the heap snapshot included
  uint64_t pauseNs;           // 88  time that other threads stood still, the fork included
  uint64_t forkNs;            // 96
  uint64_t scanNs;            // 104  scanner's own, without its waiting for the reader
  uint64_t scannedBytes;      // 112
  uint64_t skippedBytes;      // 120  could not be read, or too large to be read
  uint64_t heapUsedBytes;     // 128  V8: used_heap_size after the collection, all 0 where unknown
  uint64_t heapTotalBytes;    // 136
  uint64_t externalBytes;     // 144  V8: external memory as it was told
  uint64_t uncollectedCount;  // 152  finalizers that still waited after draining (pending)
  uint32_t isolateCount;      // 160
  uint32_t spaceCount;        // 164
  uint64_t isolatesOffset;    // 168  IsolateRow[isolateCount]
  uint64_t spacesOffset;      // 176  SpaceRow[spaceCount]
} CheckpointHeader;

#define MP_UNKNOWN_BYTES UINT64_MAX
// What V8 says of one isolate's heap at one moment.
typedef struct HeapFigures {
  uint64_t totalBytes;         // 0    committed
  uint64_t executableBytes;    // 8
  uint64_t physicalBytes;      // 16
  uint64_t availableBytes;     // 24
  uint64_t usedBytes;          // 32
  uint64_t limitBytes;         // 40
  uint64_t mallocedBytes;      // 48   by V8 itself
  uint64_t peakMallocedBytes;  // 56
  uint64_t externalBytes;      // 64   stores of ArrayBuffers and external strings
  uint64_t
      toldBytes;  // 72   the same and what addons announced: what V8 goes by when it decides to collect; or MP_UNKNOWN_BYTES
  uint64_t contextCount;          // 80
  uint64_t detachedContextCount;  // 88
  uint64_t handleBytes;           // 96   global handles
  uint64_t usedHandleBytes;       // 104
} HeapFigures;
typedef struct IsolateRow {
  HeapFigures before;   // 0    the collection
  HeapFigures after;    // 112  it, owners and finalizers
  uint32_t isolate;     // 224  dense, as in MP_META_CODE
  uint32_t flags;       // 228  MP_ISOLATE_*
  uint32_t spaceCount;  // 232  its spaces lie behind those of the rows before
  uint32_t pad;         // 236
} IsolateRow;
enum { MP_ISOLATE_MAIN = 1u << 0, MP_ISOLATE_COLLECTED = 1u << 1 };
// One of V8's spaces, after the collection.
typedef struct SpaceRow {
  char name[40];            // 0   closed by NUL
  uint64_t committedBytes;  // 40
  uint64_t usedBytes;       // 48
  uint64_t availableBytes;  // 56
  uint64_t physicalBytes;   // 64
} SpaceRow;

enum {
  MP_CHECKPOINT_EXIT = 1,      // before Node's teardown; in other programs, at exit
  MP_CHECKPOINT_PROGRAM = 2,   // the program asked
  MP_CHECKPOINT_DEMAND = 3,    // somebody outside asked
  MP_CHECKPOINT_INTERVAL = 4,  // memprof-run asked, by the clock
  MP_CHECKPOINT_SIGNAL = 5,    // a signal is about to end the process
};
enum { MP_SCAN_WAITING = 0, MP_SCAN_RUNNING = 1, MP_SCAN_DONE = 2, MP_SCAN_FAILED = 3, MP_SCAN_NONE = 4 };
enum {
  MP_OWNERS_NONE = 0,      // not asked: no agent
  MP_OWNERS_COMPLETE = 1,  // all objects of the isolates that could be asked
  MP_OWNERS_PARTIAL = 2,   // a Worker's isolate could not be asked
  MP_OWNERS_FAILED = 3,
};

// One native address that one JavaScript object holds. An object with several has several rows.
typedef struct OwnerRow {
  uint64_t address;     // of the native memory
  uint64_t sizeBytes;   // as JavaScript sees it (byteLength); 0: unknown
  uint64_t snapshotId;  // the object's id in the heap snapshot; 0: none
  uint32_t object;      // rows of one object have one number, dense from 0
  uint32_t className;   // offset in the strings
  uint32_t kind;        // MP_OWNER_*
  uint32_t isolate;     // dense, as in MP_META_CODE
} OwnerRow;
enum MpOwner {
  MP_OWNER_ARRAYBUFFER = 1,  // the backing store of an ArrayBuffer (a Buffer's, too)
  MP_OWNER_SHARED_ARRAYBUFFER = 2,
  MP_OWNER_WASM_MEMORY = 3,
  MP_OWNER_WRAP = 4,            // napi_wrap
  MP_OWNER_EXTERNAL = 5,        // napi_create_external, v8::External
  MP_OWNER_INTERNAL_FIELD = 6,  // raw V8, nan, node::ObjectWrap, Node's own wrappers
  MP_OWNER_HINT = 7,            // what goes with it until its finalizer runs
};

// The reader's list of live blocks, and room for the answers. Columns have blockCount rows, each column
// begins at its offset (a multiple of 8). Blocks are sorted by address, of
// those with one address the larger first. Only blocks of pools lie in others, and then wholly.
typedef struct BlocksHeader {
  uint64_t magic;          // 0
  uint32_t abi;            // 8
  uint32_t headerBytes;    // 12  MP_PAGE
  uint32_t blockCount;     // 16
  uint32_t rangeCount;     // 20
  uint64_t addressOffset;  // 24   uint64  in
  uint64_t sizeOffset;     // 32   uint64  in
  uint64_t flagOffset;     // 40   uint8   in   MP_BLOCK_*
  uint64_t rangeOffset;    // 48   ScanRange[rangeCount]  in: mappings that the recording knows
  uint64_t reachOffset;    // 56   uint8   out  MP_REACH_*
  uint64_t
      referrerOffset;  // 64   uint64  out  address of the word that points to the block; 0: a register or
                       //             an owner
  uint64_t
      referrerBlockOffset;  // 72   uint32  out  row of the block that holds that word; 0xffffffff: a root
  uint64_t insideOffset;    // 80   uint32  out  where in the block the word points: 0 its start; saturates
  uint64_t
      rootOffset;  // 88   uint32  out  for a block held by a root itself: OWNER: row of the owner; REGISTER: the
                   //             thread's kernel id; else the row of the region
  uint64_t
      firstWordOffset;  // 96   uint64  out  the block's first word, if it points into a module's image; else 0
  uint64_t regionOffset;    // 104  ScanRegion[regionCapacity]  out
  uint64_t frameOffset;     // 112  ScanFrame[frameCapacity]    out
  uint32_t regionCapacity;  // 120
  uint32_t frameCapacity;   // 124
  uint32_t regionCount;     // 128  out
  uint32_t frameCount;      // 132  out
} BlocksHeader;

enum {
  MP_BLOCK_RUNTIME = 1u << 0,  // allocated by Node itself: owners are not followed through it
  MP_BLOCK_OURS = 1u << 1,     // memprof's own agent
  MP_BLOCK_POOL = 1u << 2,     // of a pool that the program announced: may lie inside of other blocks
};
// How a block is reached. In this order of preference; a block behind another block has what that one has.
enum MpReach {
  MP_REACH_UNKNOWN = 0,
  MP_REACH_OWNER = 1,   // a JavaScript object that the agent listed
  MP_REACH_GLOBAL = 2,  // writable data of a module
  MP_REACH_TLS = 3,
  MP_REACH_STACK = 4,
  MP_REACH_REGISTER = 5,
  MP_REACH_MAPPING = 6,        // other writable memory
  MP_REACH_V8 = 7,             // V8's heap, by an object that is not known
  MP_REACH_LOST = 8,           // nothing points to it (of a cycle: its first block)
  MP_REACH_LOST_INDIRECT = 9,  // only lost blocks do
};
typedef struct ScanRange {
  uint64_t address, sizeBytes;
  uint32_t kind;  // MP_RANGE_*
  uint32_t pad;
} ScanRange;
enum { MP_RANGE_MAPPING = 1, MP_RANGE_V8 = 2, MP_RANGE_ALLOCATOR = 3 };
// Where roots lie. id: GLOBAL: module id; TLS, STACK: kernel thread id; else 0.
typedef struct ScanRegion {
  uint64_t low, high;
  uint32_t reach;  // MP_REACH_*
  uint32_t id;
} ScanRegion;
// A frame of a stopped thread: [low, next frame's low) is its part of the stack.
typedef struct ScanFrame {
  uint64_t low;
  uint64_t frame;  // as in StackNode
  uint32_t tid;
  uint32_t pad;
} ScanFrame;

// What the copy says of memory itself: which pages are there, and what glibc's heaps consist of. Written by the
// scanner before state = MP_SCAN_DONE.
typedef struct PictureHeader {
  uint64_t magic;        // 0
  uint32_t abi;          // 8
  uint32_t headerBytes;  // 12  MP_PAGE
  uint32_t heapCount;    // 16
  uint32_t rangeCount;   // 20
  uint64_t heapOffset;   // 24  HeapRow[heapCount]
  uint64_t rangeOffset;  // 32  PageRange[rangeCount], by address
  uint64_t fileBytes;    // 40
  // Live blocks that have a mapping of their own (large ones).
  uint64_t mappedCount;               // 48
  uint64_t mappedAskedBytes;          // 56
  uint64_t mappedBytes;               // 64  with header and rounding
  uint64_t mappedResidentBytes;       // 72
  uint64_t mappedAskedResidentBytes;  // 80
  // Live blocks that lie in none of glibc's heaps and in no mapping of glibc's: another allocator's.
  uint64_t strayCount;          // 88
  uint64_t strayBytes;          // 96
  uint64_t strayResidentBytes;  // 104
  uint64_t ownOffset;           // 112  pairs of low and high: memprof's own memory that is no file
  uint32_t ownCount;            // 120
  uint32_t pad;                 // 124
} PictureHeader;

// Parts of a heap; they add up to it.
enum MpHeapPart {
  MP_PART_INFO = 0,    // glibc's own descriptions
  MP_PART_LIVE = 1,    // live blocks with their headers and rounding
  MP_PART_TCACHE = 2,  // released, kept by a thread for its next call
  MP_PART_FAST = 3,    // released, in a fast bin
  MP_PART_OTHER = 4,   // in use for somebody whose call was not recorded
  MP_PART_FREE = 5,    // released, in a bin
  MP_PART_TOP = 6,     // never handed out, or taken back, at the end
  MP_PART_COUNT = 7,
};
enum {
  MP_WALK_MAIN = 1u << 0,
  MP_WALK_WHOLE =
      1u << 1,  // every chunk was understood; else the parts say how far it went, and the rest is OTHER
  MP_WALK_LAST = 1u << 2,  // the arena's current heap: it has the top
};
typedef struct HeapRow {
  uint64_t low, high;                // 0
  uint64_t arena;                    // 16  address of its malloc_state
  uint32_t flags;                    // 24  MP_WALK_*
  uint32_t pad;                      // 28
  uint64_t count[MP_PART_COUNT];     // 32  chunks
  uint64_t bytes[MP_PART_COUNT];     // 88
  uint64_t resident[MP_PART_COUNT];  // 144  of bytes, those on pages that are there
  uint64_t liveAskedBytes;           // 200  what the program asked for
  uint64_t liveAskedResidentBytes;   // 208
  uint64_t largestFreeBytes;         // 216
  uint64_t trimmableBytes;           // 224  resident pages that malloc_trim(0) would give back
} HeapRow;
// Private writable memory that is no file's. Bit i of the map: page i is there.
typedef struct PageRange {
  uint64_t low, high;
  uint64_t bitOffset;  // in bytes, a multiple of 8
} PageRange;

#ifdef __cplusplus
static_assert(sizeof(PictureHeader) == 128 && sizeof(HeapRow) == 232 && sizeof(PageRange) == 24, "wire");
static_assert(offsetof(HeapRow, trimmableBytes) == 224, "wire");
static_assert(offsetof(ProcessHeader, checkpointWanted) == 392, "wire");
static_assert(offsetof(ProcessHeader, checkpointReason) == 404, "wire");
static_assert(offsetof(ProcessHeader, barrierCount) == 408, "wire");
static_assert(offsetof(CheckpointHeader, ownersOffset) == 56, "wire");
static_assert(offsetof(CheckpointHeader, uncollectedCount) == 152, "wire");
static_assert(offsetof(CheckpointHeader, spacesOffset) == 176, "wire");
static_assert(sizeof(HeapFigures) == 112 && sizeof(IsolateRow) == 240 && sizeof(SpaceRow) == 72, "wire");
static_assert(sizeof(OwnerRow) == 40 && sizeof(ScanRange) == 24 && sizeof(ScanRegion) == 24 &&
                  sizeof(ScanFrame) == 24,
              "wire");
static_assert(offsetof(BlocksHeader, addressOffset) == 24, "wire");
static_assert(offsetof(BlocksHeader, frameCount) == 132, "wire");
static_assert(sizeof(StackNode) == 16, "wire");
static_assert(offsetof(ProcessHeader, clockBase) == 40, "wire");
static_assert(offsetof(ProcessHeader, ringCount) == 64, "wire");
static_assert(offsetof(ProcessHeader, waitCount) == 96, "wire");
static_assert(offsetof(ProcessHeader, bootstrapBytes) == 176, "wire");
static_assert(offsetof(ProcessHeader, boundNew) == 200, "wire");
static_assert(offsetof(ProcessHeader, metaHead) == 256, "wire");
static_assert(offsetof(ProcessHeader, metaTail) == 320, "wire");
static_assert(offsetof(ProcessHeader, readerState) == 384, "wire");
static_assert(offsetof(RingHeader, head) == 64, "wire");
static_assert(offsetof(RingHeader, busy) == 68, "wire");
static_assert(offsetof(RingHeader, tail) == 128, "wire");
static_assert(offsetof(SessionHeader, sampleBytes) == 40, "wire");
static_assert(offsetof(SessionHeader, untracedProcesses) == 48, "wire");
static_assert(sizeof(ProcessHeader) <= MP_PAGE && sizeof(RingHeader) <= MP_PAGE, "wire");
#endif

#endif
