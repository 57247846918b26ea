#include "question.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>

#include "../wire.h"
#include "checkpoint.h"
#include "environment.h"
#include "memory.h"
#include "pages.h"

namespace memprof {
namespace {

// Between two looks: a sixteenth of the time so far, so that little is waited for nothing.
constexpr uint64_t kFirstPauseNs = 100'000;
constexpr uint64_t kLastPauseNs = 5'000'000;
constexpr uint64_t kPauseShare = 16;
constexpr uint64_t kCheckReaderNs = 50'000'000;
// Node's own strings end at 512 MiB.
constexpr size_t kMaxAnswerBytes = 256u << 20;
constexpr double kMaxTimeoutMs = 1e9;

template <typename F>
F shim_function(const char* name) {
  return reinterpret_cast<F>(dlsym(RTLD_DEFAULT, name));
}

struct Shim {
  void (*mark)(uint32_t kind, uint64_t value, const char* text);
  uint32_t (*beginQuestion)(char* path, size_t capacity);
  uint32_t (*hasReader)();
  uint32_t (*isRecording)();
  bool isThere() const {
    return mark != nullptr && beginQuestion != nullptr && hasReader != nullptr && isRecording != nullptr;
  }
};

const Shim& shim() {
  static const Shim instance{
      shim_function<decltype(Shim::mark)>("memprof_mark"),
      shim_function<decltype(Shim::beginQuestion)>("memprof_begin_question"),
      shim_function<decltype(Shim::hasReader)>("memprof_has_reader"),
      shim_function<decltype(Shim::isRecording)>("memprof_is_recording"),
  };
  return instance;
}

// Bytes straight from the kernel, given back with the last brace.
class Bytes {
 public:
  explicit Bytes(size_t capacity) : at_(static_cast<char*>(map_pages(capacity))), capacity_(capacity) {}
  ~Bytes() {
    if (at_ != nullptr) unmap_pages(at_, capacity_);
  }
  Bytes(const Bytes&) = delete;
  Bytes& operator=(const Bytes&) = delete;
  char* at() { return at_; }
  size_t capacity() const { return capacity_; }

 private:
  char* at_;
  size_t capacity_;
};

class Descriptor {
 public:
  explicit Descriptor(long fd) : fd_(static_cast<int>(fd)) {}
  ~Descriptor() {
    if (fd_ >= 0) syscall(SYS_close, fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  bool is_open() const { return fd_ >= 0; }
  operator int() const { return fd_; }

 private:
  int fd_;
};

// The system calls themselves: the C library's wrappers may be somebody else's in this program.
long open_file(const char* path, int flags) {
  return syscall(SYS_openat, AT_FDCWD, path, flags | O_CLOEXEC, 0600);
}

bool write_all(int fd, const char* bytes, size_t count) {
  while (count > 0) {
    long written = syscall(SYS_write, fd, bytes, count);
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return false;
    bytes += written;
    count -= static_cast<size_t>(written);
  }
  return true;
}

size_t read_all(int fd, char* bytes, size_t capacity) {
  size_t count = 0;
  while (count < capacity) {
    long got = syscall(SYS_read, fd, bytes + count, capacity - count);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    count += static_cast<size_t>(got);
  }
  return count;
}

// The files of one question; they go with it.
class Question {
 public:
  Question() {
    number_ = shim().beginQuestion(path_, sizeof(path_));
    const char* name = number_ == 0 ? nullptr : strrchr(path_, '/');
    if (name == nullptr) {
      number_ = 0;
      return;
    }
    int folderBytes = static_cast<int>(name - path_);
    snprintf(half_, sizeof(half_), "%.*s/.tmp.%s", folderBytes, path_, name + 1);
    const char* ending = strrchr(path_, '.');
    snprintf(answer_, sizeof(answer_), "%.*s.a%u", static_cast<int>(ending - path_), path_, number_);
  }
  ~Question() {
    if (number_ == 0) return;
    for (const char* path : {half_, path_, answer_}) syscall(SYS_unlink, path);
  }
  Question(const Question&) = delete;
  Question& operator=(const Question&) = delete;

  // The file comes first: the reader opens it at the mark. Then something happens to it once more, for a
  // reader that watches the folder and looked before the mark was there.
  bool send(const char* text, size_t bytes) {
    if (number_ == 0) return false;
    Descriptor file(open_file(half_, O_WRONLY | O_CREAT | O_EXCL));
    if (!file.is_open() || !write_all(file, text, bytes) || syscall(SYS_rename, half_, path_) != 0)
      return false;
    shim().mark(MP_MARK_QUESTION, number_, nullptr);
    syscall(SYS_fchmod, static_cast<int>(file), 0600);
    return true;
  }

  // The answer's descriptor; -1: there will be none, or not in time.
  long await_answer(double timeoutMs) {
    const uint64_t begin = monotonic_ns();
    const uint64_t deadline = begin + static_cast<uint64_t>(timeoutMs * 1e6);
    uint64_t checked = begin;
    for (;;) {
      long fd = open_file(answer_, O_RDONLY);
      if (fd >= 0) return fd;
      uint64_t now = monotonic_ns();
      if (now >= deadline) return -1;
      if (now - checked > kCheckReaderNs) {
        checked = now;
        // It may have answered just before.
        if (shim().hasReader() == 0) return open_file(answer_, O_RDONLY);
      }
      uint64_t pause = std::clamp((now - begin) / kPauseShare, kFirstPauseNs, kLastPauseNs);
      timespec length{0, static_cast<long>(std::min(pause, deadline - now))};
      syscall(SYS_nanosleep, &length, nullptr);
    }
  }

 private:
  uint32_t number_;
  char path_[PATH_MAX], half_[PATH_MAX], answer_[PATH_MAX];
};

napi_value nothing(napi_env env) {
  napi_value value = nullptr;
  napi_get_null(env, &value);
  return value;
}

// False: it is not there.
bool argument(napi_env env, napi_callback_info info, size_t index, napi_value* value) {
  size_t count = 2;
  napi_value values[2];
  if (napi_get_cb_info(env, info, &count, values, nullptr, nullptr) != napi_ok || index >= count)
    return false;
  *value = values[index];
  return true;
}

bool text_argument(napi_env env, napi_callback_info info, Bytes& into, size_t* bytes) {
  napi_value text;
  return into.at() != nullptr && argument(env, info, 0, &text) &&
         napi_get_value_string_utf8(env, text, into.at(), into.capacity(), bytes) == napi_ok;
}

napi_value answer_of(napi_env env, int fd) {
  struct stat status;
  if (fstat(fd, &status) != 0 || status.st_size < 0 ||
      static_cast<uint64_t>(status.st_size) > kMaxAnswerBytes)
    return nothing(env);
  Bytes bytes(static_cast<size_t>(status.st_size) + 1);
  if (bytes.at() == nullptr) return nothing(env);
  size_t count = read_all(fd, bytes.at(), static_cast<size_t>(status.st_size));
  napi_value text;
  return napi_create_string_utf8(env, bytes.at(), count, &text) == napi_ok ? text : nothing(env);
}

napi_value ask(napi_env env, napi_callback_info info) {
  if (!shim().isThere() || shim().isRecording() == 0) return nothing(env);
  // One that is longer than the reader takes is cut where it is still too long: the reader says so.
  Bytes text(MP_MAX_QUESTION_BYTES + 16);
  size_t bytes = 0;
  napi_value timeout;
  double timeoutMs = 0;
  if (!text_argument(env, info, text, &bytes) || !argument(env, info, 1, &timeout) ||
      napi_get_value_double(env, timeout, &timeoutMs) != napi_ok) {
    napi_throw_type_error(env, "ERR_INVALID_ARG_TYPE", "ask(text: string, timeoutMs: number)");
    return nullptr;
  }
  Question question;
  if (!question.send(text.at(), bytes)) return nothing(env);
  Descriptor answer(question.await_answer(timeoutMs > 0 ? std::min(timeoutMs, kMaxTimeoutMs) : 0));
  return answer.is_open() ? answer_of(env, answer) : nothing(env);
}

napi_value mark(napi_env env, napi_callback_info info) {
  constexpr size_t kMaxNameBytes = 4096;
  Bytes name(kMaxNameBytes);
  size_t bytes = 0;
  if (shim().isThere() && text_argument(env, info, name, &bytes)) shim().mark(MP_MARK_USER, 0, name.at());
  return nullptr;
}

napi_value ignore(napi_env env, napi_callback_info info) {
  napi_value value;
  bool isBegin = false;
  if (shim().isThere() && argument(env, info, 0, &value) &&
      napi_get_value_bool(env, value, &isBegin) == napi_ok)
    shim().mark(isBegin ? MP_MARK_IGNORE_BEGIN : MP_MARK_IGNORE_END, 0, nullptr);
  return nullptr;
}

napi_value collect(napi_env env, napi_callback_info) {
  Environment* here = environment_here();
  if (here != nullptr) collect_garbage(*here);
  napi_value value = nullptr;
  napi_get_boolean(env, here != nullptr, &value);
  return value;
}

napi_value is_loaded(napi_env env, napi_callback_info) {
  napi_value value = nullptr;
  napi_get_boolean(env, shim().isThere() && shim().isRecording() != 0, &value);
  return value;
}

}  // namespace

bool export_questions(napi_env env, napi_value exports) {
  const struct {
    const char* name;
    napi_callback call;
  } functions[] = {
      {"ask", ask}, {"mark", mark}, {"ignore", ignore}, {"collect", collect}, {"isLoaded", is_loaded}};
  for (const auto& [name, call] : functions) {
    napi_value function;
    if (napi_create_function(env, name, NAPI_AUTO_LENGTH, call, nullptr, &function) != napi_ok ||
        napi_set_named_property(env, exports, name, function) != napi_ok)
      return false;
  }
  return true;
}

}  // namespace memprof
