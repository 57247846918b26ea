#include "meta.h"

#include "../base.h"
#include "../os/os.h"
#include "process.h"

namespace mp::meta {
namespace {

SpinLock g_lock;
uint64_t* g_data = nullptr;
uint32_t g_mask = 0;
uint32_t g_head = 0;
std::atomic<uint32_t> g_textCount{0};
// This thread writes a record, or waits for the lock: a signal handler that came meanwhile must not.
__thread uint32_t t_writing __attribute__((tls_model("initial-exec"))) = 0;

// Writes one record at a time, byte by byte into words, and publishes it whole.
class Record {
 public:
  Record(uint32_t type, size_t payloadBytes)
      : words_(static_cast<uint32_t>(round_up(8 + payloadBytes, 8) / 8)) {
    ++t_writing;
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    g_lock.lock();
    ok_ = g_data != nullptr && words_ <= (g_mask + 1) / 2 && wait();
    if (!ok_) {
      unlock();
      return;
    }
    at_ = g_head;
    word_ = type | static_cast<uint64_t>(words_ * 8) << 32;
    used_ = 8;
  }

  ~Record() {
    if (!ok_) return;
    if (used_ != 0) g_data[at_++ & g_mask] = word_;
    g_head += words_;
    // Pairs with the reader's acquire load of metaHead.
    __atomic_store_n(&g_process.header->metaHead, g_head, __ATOMIC_RELEASE);
    unlock();
  }

  explicit operator bool() const { return ok_; }

  Record& bytes(const void* from, size_t count) {
    const auto* source = static_cast<const uint8_t*>(from);
    for (size_t i = 0; i < count; ++i) {
      if (used_ == 8) {
        g_data[at_++ & g_mask] = word_;
        word_ = 0;
        used_ = 0;
      }
      word_ |= static_cast<uint64_t>(source[i]) << (8 * used_++);
    }
    return *this;
  }
  Record& u32(uint32_t value) { return bytes(&value, 4); }
  Record& u64(uint64_t value) { return bytes(&value, 8); }
  Record& string(const void* from, size_t count) {
    return u32(static_cast<uint32_t>(count)).bytes(from, count);
  }

 private:
  static void unlock() {
    g_lock.unlock();
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    --t_writing;
  }

  // The lock stays held: nobody needs it to let the reader go on.
  bool wait() {
    uint64_t checked = 0;
    for (;;) {
      uint32_t tail = __atomic_load_n(&g_process.header->metaTail, __ATOMIC_ACQUIRE);
      if (g_head + words_ - tail <= g_mask + 1) return true;
      if (!recording() && g_process.header->state == MP_STATE_STOPPED) return false;
      if (__atomic_load_n(&g_process.header->readerState, __ATOMIC_ACQUIRE) == MP_READER_DETACHED)
        return false;
      uint64_t now = os::monotonic_ns();
      if (now - checked > 50000000) {
        if (checked != 0 && os::lock_is_free(g_process.sessionPath)) {
          stop_recording(MP_STOP_READER_GONE);
          return false;
        }
        checked = now;
      }
      os::sleep_ns(100000);
    }
  }

  uint32_t words_;
  bool ok_ = false;
  uint32_t at_ = 0;
  uint64_t word_ = 0;
  uint32_t used_ = 0;
};

// A name longer than this is cut: a meta record has to fit its ring.
constexpr size_t kLongest = 48 * 1024;
size_t cut(size_t bytes) { return bytes < kLongest ? bytes : kLongest; }

}  // namespace

void reset(uint64_t* data, uint32_t bytes) {
  g_data = data;
  g_mask = bytes / 8 - 1;
  g_head = 0;
}

void after_fork_child() {
  g_lock.reset();
  t_writing = 0;
  g_data = nullptr;
}

void process(const char* exe, size_t exeBytes, const char* folder, size_t folderBytes, const char* argv,
             size_t argvBytes) {
  argvBytes = cut(argvBytes);
  uint32_t count = 0;
  for (size_t i = 0; i < argvBytes; ++i) count += argv[i] == '\0';
  if (argvBytes > 0 && argv[argvBytes - 1] != '\0') ++count;
  Record record(MP_META_PROCESS, 4 + exeBytes + 4 + folderBytes + 4 + 4 * count + argvBytes);
  if (!record) return;
  record.string(exe, exeBytes).string(folder, folderBytes).u32(count);
  for (size_t at = 0; at < argvBytes;) {
    size_t length = strnlen(argv + at, argvBytes - at);
    record.string(argv + at, length);
    at += length + 1;
  }
}

void module(uint32_t id, uint32_t flags, uint64_t base, uint64_t low, uint64_t high, uint64_t tick,
            const uint8_t* buildId, size_t buildIdBytes, const char* path, size_t pathBytes) {
  pathBytes = cut(pathBytes);
  Record record(MP_META_MODULE, 4 + 4 + 4 * 8 + 4 + buildIdBytes + 4 + pathBytes);
  if (!record) return;
  record.u32(id)
      .u32(flags)
      .u64(base)
      .u64(low)
      .u64(high)
      .u64(tick)
      .string(buildId, buildIdBytes)
      .string(path, pathBytes);
  __atomic_store_n(&g_process.header->moduleCount, id + 1, __ATOMIC_RELAXED);
}

void module_gone(uint32_t id, uint64_t tick) {
  Record record(MP_META_MODULE_GONE, 16);
  if (record) record.u32(id).u32(0).u64(tick);
}

void code(uint32_t id, uint32_t kind, uint64_t start, uint64_t length, uint32_t isolate, const char* name,
          size_t nameBytes) {
  nameBytes = cut(nameBytes);
  Record record(MP_META_CODE, 4 + 4 + 8 + 8 + 4 + 4 + nameBytes);
  if (!record) return;
  record.u32(id).u32(kind).u64(start).u64(length).u32(isolate).string(name, nameBytes);
  __atomic_fetch_add(&g_process.header->codeCount, 1, __ATOMIC_RELAXED);
}

void code_lines(uint32_t id, int32_t scriptId, uint32_t entryCount, uint32_t runCount, const uint8_t* bytes,
                size_t byteCount) {
  Record record(MP_META_CODE_LINES, 5 * 4 + byteCount);
  if (!record) return;
  record.u32(id).u32(static_cast<uint32_t>(scriptId)).u32(entryCount).u32(runCount).string(bytes, byteCount);
}

bool is_writing() { return t_writing != 0; }

uint32_t text(const char* text, size_t bytes) {
  uint32_t id = ++g_textCount;
  bytes = cut(bytes);
  Record record(MP_META_TEXT, 4 + 4 + 4 + bytes);
  if (record) record.u32(id).u32(0).string(text, bytes);
  return id;
}

void agent(const char* json, size_t bytes) {
  bytes = cut(bytes);
  Record record(MP_META_AGENT, 4 + bytes);
  if (record) record.string(json, bytes);
}

}  // namespace mp::meta
