// A test addon: the shim's jit part inside a real Node, with the names kept in memory. walk() follows
// the frame pointers from a native callback, as the shim's unwinder does inside V8's code.
#include <node_api.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "../../../interpose/jit/jit.h"
#include "../../../interpose/wire.h"

namespace {

struct Code {
  uint32_t kind;
  uint64_t start;
  uint32_t isolate;
  std::string name;
};
std::mutex mutex;
std::vector<Code>& codes() {
  static auto* list = new std::vector<Code>(1);  // ids are from 1
  return *list;
}
std::set<long> threads;

double now_ms() {
  timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return double(t.tv_sec) * 1e3 + double(t.tv_nsec) / 1e6;
}

void set(napi_env env, napi_value object, const char* key, double value) {
  napi_value number;
  napi_create_double(env, value, &number);
  napi_set_named_property(env, object, key, number);
}

void set(napi_env env, napi_value object, const char* key, const std::string& value) {
  napi_value text;
  napi_create_string_utf8(env, value.data(), value.size(), &text);
  napi_set_named_property(env, object, key, text);
}

const char* kind_name(uint64_t kind) {
  switch (kind) {
    case MP_FRAME_JS_BYTECODE:
      return "bytecode";
    case MP_FRAME_JS_CODE:
      return "code";
    case MP_FRAME_BUILTIN:
      return "builtin";
    case MP_FRAME_V8_UNNAMED:
      return "unnamed";
    default:
      return "?";
  }
}

// attach(): milliseconds that it took.
napi_value attach(napi_env env, napi_callback_info) {
  double start = now_ms();
  mp::jit::attach_current_isolate();
  napi_value result;
  napi_create_double(env, now_ms() - start, &result);
  return result;
}

// walk(): [{kind, name, offset, isolate, moved}], leaf first, frames without announced code left out.
__attribute__((noinline)) napi_value walk(napi_env env, napi_callback_info) {
  pthread_attr_t attributes;
  void* low;
  size_t size;
  pthread_getattr_np(pthread_self(), &attributes);
  pthread_attr_getstack(&attributes, &low, &size);
  pthread_attr_destroy(&attributes);
  uintptr_t bottom = reinterpret_cast<uintptr_t>(low), top = bottom + size;

  struct Step {
    uint64_t frame;
    bool interpreter;
    uintptr_t array;
  };
  std::vector<Step> steps;
  uintptr_t fp = reinterpret_cast<uintptr_t>(__builtin_frame_address(0));
  while (fp >= bottom + 0x30 && fp + 16 <= top && fp % 8 == 0) {
    uintptr_t next = reinterpret_cast<uintptr_t*>(fp)[0];
    uintptr_t pc = reinterpret_cast<uintptr_t*>(fp)[1];
    if (next <= fp || next + 16 > top) break;
    uint64_t frame = mp::jit::frame(pc, next);
    if (frame != 0) {
      steps.push_back(
          {frame, mp::jit::is_interpreter_trampoline(pc), reinterpret_cast<uintptr_t*>(next)[-4]});
    }
    fp = next;
  }
  napi_value result;
  napi_create_array(env, &result);
  uint32_t count = 0;
  std::lock_guard<std::mutex> guard(mutex);
  for (const Step& step : steps) {
    uint64_t kind = step.frame >> 60;
    uint32_t id = static_cast<uint32_t>(step.frame >> 32 & 0xfffffff);
    bool named = kind != MP_FRAME_V8_UNNAMED;
    napi_value entry;
    napi_create_object(env, &entry);
    set(env, entry, "kind", std::string(kind_name(kind)));
    set(env, entry, "name", named ? codes().at(id).name : std::string());
    set(env, entry, "offset", double(step.frame & 0xffffffff));
    set(env, entry, "isolate", named ? codes().at(id).isolate : -1.0);
    set(env, entry, "interpreter", step.interpreter ? 1 : 0);
    // Bytes from the array's address now to where its first bytecode was when it was announced.
    set(env, entry, "moved",
        kind == MP_FRAME_JS_BYTECODE ? double(codes().at(id).start - (step.array - 1)) : 0);
    napi_set_element(env, result, count++, entry);
  }
  return result;
}

// frameAt(pc): the same for an address that no stack holds.
napi_value frame_at(napi_env env, napi_callback_info info) {
  size_t count = 1;
  napi_value argument, entry;
  double pc = 0;
  napi_get_cb_info(env, info, &count, &argument, nullptr, nullptr);
  napi_get_value_double(env, argument, &pc);
  uint64_t frame = mp::jit::frame(static_cast<uintptr_t>(pc), 0);
  napi_create_object(env, &entry);
  std::lock_guard<std::mutex> guard(mutex);
  set(env, entry, "kind", std::string(kind_name(frame >> 60)));
  set(env, entry, "name", frame != 0 ? codes().at(frame >> 32 & 0xfffffff).name : std::string());
  set(env, entry, "offset", double(frame & 0xffffffff));
  set(env, entry, "interpreter", mp::jit::is_interpreter_trampoline(static_cast<uintptr_t>(pc)) ? 1 : 0);
  return entry;
}

napi_value stats(napi_env env, napi_callback_info) {
  napi_value result;
  napi_create_object(env, &result);
  std::lock_guard<std::mutex> guard(mutex);
  set(env, result, "codeCount", double(codes().size() - 1));
  set(env, result, "threadCount", double(threads.size()));
  return result;
}

napi_value init(napi_env env, napi_value exports) {
  const struct {
    const char* name;
    napi_callback call;
  } functions[] = {{"attach", attach}, {"walk", walk}, {"frameAt", frame_at}, {"stats", stats}};
  for (const auto& f : functions) {
    napi_value value;
    napi_create_function(env, f.name, NAPI_AUTO_LENGTH, f.call, nullptr, &value);
    napi_set_named_property(env, exports, f.name, value);
  }
  return exports;
}

}  // namespace

namespace mp::meta {
void code(uint32_t id, uint32_t kind, uint64_t start, uint64_t, uint32_t isolate, const char* name,
          size_t nameBytes) {
  std::lock_guard<std::mutex> guard(mutex);
  if (codes().size() <= id) codes().resize(id + 1);
  codes()[id] = {kind, start, isolate, std::string(name, nameBytes)};
  threads.insert(syscall(SYS_gettid));
}
void code_lines(uint32_t, int32_t, uint32_t, uint32_t, const uint8_t*, size_t) {}
}  // namespace mp::meta

NAPI_MODULE(walk, init)
