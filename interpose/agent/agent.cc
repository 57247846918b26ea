// memprof_agent.node: what src/agent/agent.cjs cannot do in JavaScript. The agent finds the shim's
// functions among the process's symbols; without the shim every call here does nothing.
//
// Why process.emit and friends are wrapped natively: a wrapper in JavaScript would be a line in the
// stack trace of every error that a listener throws, and the traced program's output must not change.
#include <dlfcn.h>
#include <stdint.h>

#include <string>
#include <string_view>
#include <vector>

#ifndef NAPI_DISABLE_CPP_EXCEPTIONS
#define NAPI_DISABLE_CPP_EXCEPTIONS
#endif
#include <napi.h>

#include "../wire.h"

namespace {

using MarkFunction = void (*)(uint32_t kind, uint64_t value, const char* text);
using InfoFunction = void (*)(const char* json, size_t bytes);
using AttachFunction = void (*)();

template <typename F>
F shim_function(const char* name) {
  return reinterpret_cast<F>(dlsym(RTLD_DEFAULT, name));
}

// One main thread's watch over the end of its program. The mark has to be the last thing before
// Node tears its environment down, and the end comes in three ways:
//
//   natural       C++ calls process.emit('beforeExit'), then process.emit('exit'), nothing after
//   process.exit  calls process.emit('exit'), then process.reallyExit (which users call directly too)
//   uncaught      process.emit('uncaughtException') returns false, process.emit('exit'), nothing after
//
// Packages such as signal-exit put their own function in the place of process.emit and work after the
// one that they found there returns. So whenever 'exit' is about to come, the outermost process.emit
// must be ours again; 'beforeExit' and 'uncaughtException' tell us in time.
class ExitWatch {
 public:
  ExitWatch(Napi::Env env, MarkFunction mark) : mark_(mark) {
    Napi::Object process = env.Global().Get("process").As<Napi::Object>();
    process_ = Napi::Persistent(process);
    // A process that ends through exit() never gets to release them.
    process_.SuppressDestruct();
    wrap_exit(env, "exit", &ExitWatch::exit);
    wrap_exit(env, "reallyExit", &ExitWatch::really_exit);
    become_outermost(env);
  }

 private:
  static constexpr napi_property_attributes kHidden =
      static_cast<napi_property_attributes>(napi_writable | napi_configurable);

  // What a wrapper stands for. Lives as long as the process.
  struct Wrapped {
    ExitWatch* watch;
    Napi::FunctionReference original;  // empty: whatever the prototype of process has at the time
  };

  void wrap_exit(Napi::Env env, const char* name, Napi::Value (*callback)(const Napi::CallbackInfo&)) {
    Napi::Value found = process_.Value().Get(name);
    if (!found.IsFunction()) return;
    Napi::Function original = found.As<Napi::Function>();
    Napi::Function ours = Napi::Function::New(env, callback, name, hold(original));
    same_shape(original, ours);
    // A plain assignment keeps the property as enumerable as it was.
    process_.Value().Set(name, ours);
  }

  Wrapped* hold(Napi::Function original) {
    Wrapped* wrapped = new Wrapped{this, Napi::Persistent(original)};
    wrapped->original.SuppressDestruct();
    return wrapped;
  }

  static void same_shape(Napi::Function original, Napi::Function ours) {
    ours.DefineProperty(Napi::PropertyDescriptor::Value("length", original.Get("length"), napi_configurable));
  }

  void become_outermost(Napi::Env env) {
    Napi::Object process = process_.Value();
    Napi::Value found = process.Get("emit");
    if (!found.IsFunction()) return;
    if (!outermost_.IsEmpty() && found.StrictEquals(outermost_.Value())) return;
    Napi::Function original = found.As<Napi::Function>();
    // process inherits emit. If somebody changes EventEmitter.prototype.emit later, it has to count.
    Wrapped* wrapped =
        process.HasOwnProperty("emit") ? hold(original) : new Wrapped{this, Napi::FunctionReference()};
    Napi::Function ours = Napi::Function::New(env, emit, "emit", wrapped);
    same_shape(original, ours);
    process.DefineProperty(Napi::PropertyDescriptor::Value("emit", ours, kHidden));
    outermost_ = Napi::Persistent(ours);
    outermost_.SuppressDestruct();
  }

  static Napi::Value call(const Napi::CallbackInfo& info, Napi::Function original) {
    napi_value few[8];
    size_t count = info.Length();
    if (count <= 8) {
      for (size_t i = 0; i < count; i++) few[i] = info[i];
      return original.Call(info.This(), count, few);
    }
    std::vector<napi_value> many(count);
    for (size_t i = 0; i < count; i++) many[i] = info[i];
    return original.Call(info.This(), many);
  }

  enum class Event { kOther, kBeforeExit, kExit, kUncaught };
  static Event event_of(const Napi::CallbackInfo& info) {
    if (!info[0].IsString()) return Event::kOther;
    char name[24];  // longer names are cut, and equal to none of ours
    size_t bytes = 0;
    napi_get_value_string_utf8(info.Env(), info[0], name, sizeof(name), &bytes);
    std::string_view text(name, bytes);
    if (text == "exit") return Event::kExit;
    if (text == "beforeExit") return Event::kBeforeExit;
    if (text == "uncaughtException") return Event::kUncaught;
    return Event::kOther;
  }

  static Napi::Value emit(const Napi::CallbackInfo& info) {
    Napi::Env env = info.Env();
    Wrapped* wrapped = static_cast<Wrapped*>(info.Data());
    ExitWatch* watch = wrapped->watch;
    Napi::Function original;
    if (wrapped->original.IsEmpty()) {
      napi_value prototype;
      napi_get_prototype(env, watch->process_.Value(), &prototype);
      Napi::Value found = Napi::Object(env, prototype).Get("emit");
      if (env.IsExceptionPending()) return Napi::Value();
      if (!found.IsFunction()) {
        Napi::TypeError::New(env, "process.emit is not a function").ThrowAsJavaScriptException();
        return Napi::Value();
      }
      original = found.As<Napi::Function>();
    } else {
      original = wrapped->original.Value();
    }
    Event event = event_of(info);
    if (event == Event::kOther) return call(info, original);

    if (event == Event::kExit) watch->exitEvents_++;
    Napi::Value result = call(info, original);
    if (event == Event::kExit) watch->exitEvents_--;

    if (env.IsExceptionPending()) {
      // An exit listener threw. Thrown into C++, it is the end, without another 'exit' event. Thrown out
      // of process.exit(), it may be caught: it is the end if it comes by as uncaught.
      if (event == Event::kExit && watch->exitEvents_ == 0) {
        if (watch->exitCalls_ == 0) {
          watch->mark(MP_TEARDOWN_UNCAUGHT, 1);
        } else {
          watch->exitThrew_ = true;
        }
      }
      return Napi::Value();
    }
    switch (event) {
      case Event::kUncaught:
        watch->isUncaught_ = result.IsBoolean() && !result.As<Napi::Boolean>().Value();
        if (watch->isUncaught_ && watch->exitThrew_) watch->mark(MP_TEARDOWN_UNCAUGHT, 1);
        if (watch->isUncaught_) watch->become_outermost(env);
        break;
      case Event::kBeforeExit:
        watch->become_outermost(env);
        break;
      case Event::kExit:
        if (watch->exitEvents_ != 0) break;  // an inner wrapper of ours: the outer one's turn comes
        if (watch->isUncaught_) {
          watch->mark(MP_TEARDOWN_UNCAUGHT, code_of(info[1]));
        } else if (watch->exitCalls_ == 0) {
          watch->mark(MP_TEARDOWN_NATURAL, code_of(info[1]));
        }  // else process.reallyExit comes next
        break;
      case Event::kOther:
        break;
    }
    return result;
  }

  static Napi::Value exit(const Napi::CallbackInfo& info) {
    Wrapped* wrapped = static_cast<Wrapped*>(info.Data());
    wrapped->watch->exitCalls_++;
    Napi::Value result = call(info, wrapped->original.Value());
    wrapped->watch->exitCalls_--;  // it threw, or somebody replaced reallyExit by what returns
    return result;
  }

  static Napi::Value really_exit(const Napi::CallbackInfo& info) {
    Wrapped* wrapped = static_cast<Wrapped*>(info.Data());
    wrapped->watch->mark(MP_TEARDOWN_PROCESS_EXIT, code_of(info[0]));
    return call(info, wrapped->original.Value());
  }

  static uint32_t code_of(Napi::Value code) {
    return code.IsNumber() ? static_cast<uint32_t>(code.As<Napi::Number>().Int32Value()) : 0;
  }

  void mark(uint64_t how, uint32_t code) { mark_(MP_MARK_BEFORE_TEARDOWN, code | how << 32, nullptr); }

  MarkFunction mark_;
  Napi::ObjectReference process_;
  Napi::FunctionReference outermost_;
  uint32_t exitEvents_ = 0;  // 'exit' events in our wrappers, nested by those that wrapped us
  uint32_t exitCalls_ = 0;   // process.exit calls under way
  bool isUncaught_ = false;
  bool exitThrew_ = false;
};

// start(info: string, isMainThread: boolean): boolean. False: not under memprof.
Napi::Value start(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  auto mark = shim_function<MarkFunction>("memprof_mark");
  auto agentInfo = shim_function<InfoFunction>("memprof_agent_info");
  auto attach = shim_function<AttachFunction>("memprof_attach_isolate");
  if (mark == nullptr || agentInfo == nullptr || attach == nullptr) return Napi::Boolean::New(env, false);
  attach();
  std::string json = info[0].As<Napi::String>().Utf8Value();
  agentInfo(json.data(), json.size());
  if (info[1].As<Napi::Boolean>().Value()) new ExitWatch(env, mark);  // for good: it outlives its environment
  return Napi::Boolean::New(env, true);
}

Napi::Object init(Napi::Env env, Napi::Object exports) {
  exports.Set("start", Napi::Function::New(env, start, "start"));
  return exports;
}

}  // namespace

NODE_API_MODULE(memprof_agent, init)
