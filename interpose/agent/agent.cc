// memprof_agent.node: what src/agent/agent.cjs cannot do in JavaScript. The agent finds the shim's
// functions among the process's symbols; without the shim every call here does nothing.
#include <dlfcn.h>
#include <stdint.h>

#include <string>
#include <vector>

#ifndef NAPI_DISABLE_CPP_EXCEPTIONS
#define NAPI_DISABLE_CPP_EXCEPTIONS
#endif
#include <napi.h>

#include <mutex>

#include "../wire.h"
#include "checkpoint.h"
#include "collections.h"
#include "demand.h"
#include "environment.h"
#include "question.h"

namespace {

using memprof::MarkFunction;
using InfoFunction = void (*)(const char* json, size_t bytes);
using AttachFunction = void (*)();

template <typename F>
F shim_function(const char* name) {
  return reinterpret_cast<F>(dlsym(RTLD_DEFAULT, name));
}

// Marks the end of the main thread's program: after the last listener of 'exit', before Node tears
// its environment down. Three ways lead there:
//
//   natural       C++ sets exiting and calls process.emit('exit'); nothing after
//   process.exit  process._exiting = true, process.emit('exit'), process.reallyExit()
//   uncaught      process._exiting = true, process.emit('exit'); nothing after
//
// No code of ours may be on the stack while the program's listeners run: a JavaScript frame would be a
// line more in the stack trace of what they throw, and a native frame that throws it again changes the
// source line that Node prints. So process.emit becomes an accessor, which answers and is gone: Node
// reads the property just before it emits 'exit', with exiting already set, and at that moment a
// native listener is put behind all others.
//
// (All that shows is the line inside node:events in the trace of what a single 'exit' listener throws:
// Node calls one listener and several from different lines.)
//
// Packages such as signal-exit put their own function in the place of process.emit and work after the
// inner one returned. Only for them the answer is a wrapper around their function.
//
// The reader goes by the last mark.
class ExitWatch {
 public:
  // environment: whose checkpoint is to be taken at the end; nullptr: none is.
  ExitWatch(Napi::Env env, MarkFunction markFunction, memprof::Environment* environment)
      : mark_(markFunction),
        environment_(environment),
        process_(keep(env.Global().Get("process").As<Napi::Object>())) {
    Napi::Object process = process_.Value();
    Napi::Object descriptor = own_descriptor(env, process, "_exiting");
    Napi::Value exitingSetter = descriptor.Get("set");
    Napi::Value reallyExit = process.Get("reallyExit");
    // Between process and EventEmitter.prototype stands an object of process's own. The accessor goes
    // there, enumerable as the emit that it hides: keys and for-in of process stay as they were.
    Napi::Object prototype = prototype_of(env, process);
    if (!exitingSetter.IsFunction() || !reallyExit.IsFunction() || process.HasOwnProperty("emit") ||
        prototype.HasOwnProperty("emit")) {
      return;
    }
    prototype_ = keep(prototype);
    exitingSetter_ = keep(exitingSetter.As<Napi::Function>());
    reallyExit_ = keep(reallyExit.As<Napi::Function>());
    listener_ = keep(Napi::Function::New(env, on_exit, "", this));

    descriptor.Set("set", Napi::Function::New(env, set_exiting, "set", this));
    define(env, process, "_exiting", descriptor);
    // An assignment leaves the property as enumerable as it was.
    process.Set("reallyExit", Napi::Function::New(env, really_exit, "reallyExit", this));
    Napi::Object accessor = Napi::Object::New(env);
    accessor.Set("get", Napi::Function::New(env, get_emit, "get", this));
    accessor.Set("set", Napi::Function::New(env, set_emit, "set", this));
    accessor.Set("configurable", Napi::Boolean::New(env, true));
    accessor.Set("enumerable", Napi::Boolean::New(env, true));
    define(env, prototype, "emit", accessor);
  }

 private:
  // References that live as long as the process: nothing may run for them while it ends.
  static Napi::ObjectReference keep(Napi::Object value) {
    Napi::ObjectReference reference = Napi::Persistent(value);
    reference.SuppressDestruct();
    return reference;
  }
  static Napi::FunctionReference keep(Napi::Function value) {
    Napi::FunctionReference reference = Napi::Persistent(value);
    reference.SuppressDestruct();
    return reference;
  }

  static Napi::Function object_function(Napi::Env env, const char* name) {
    return env.Global().Get("Object").As<Napi::Object>().Get(name).As<Napi::Function>();
  }
  static Napi::Object own_descriptor(Napi::Env env, Napi::Object object, const char* name) {
    Napi::Value found =
        object_function(env, "getOwnPropertyDescriptor").Call({object, Napi::String::New(env, name)});
    return found.IsObject() ? found.As<Napi::Object>() : Napi::Object::New(env);
  }
  static void define(Napi::Env env, Napi::Object object, const char* name, Napi::Object descriptor) {
    object_function(env, "defineProperty").Call({object, Napi::String::New(env, name), descriptor});
  }

  static Napi::Object prototype_of(Napi::Env env, Napi::Object object) {
    napi_value prototype;
    napi_get_prototype(env, object, &prototype);
    Napi::Value value(env, prototype);
    return value.IsObject() ? value.As<Napi::Object>() : Napi::Object::New(env);
  }

  static ExitWatch& watch(const Napi::CallbackInfo& info) { return *static_cast<ExitWatch*>(info.Data()); }

  // What process.emit would be without us, looked up each time: the program may change the prototype.
  Napi::Value inherited_emit(Napi::Env env) { return prototype_of(env, prototype_.Value()).Get("emit"); }

  static Napi::Value get_emit(const Napi::CallbackInfo& info) {
    Napi::Env env = info.Env();
    ExitWatch& self = watch(info);
    Napi::Value answer = self.replaced_.IsEmpty() ? self.inherited_emit(env) : self.replaced_.Value();
    if (env.IsExceptionPending() || !self.process_.Value().Get("_exiting").ToBoolean().Value()) return answer;
    if (!self.isArmed_) {
      self.isArmed_ = true;
      if (self.replaced_.IsEmpty()) self.append_listener(env);
    } else if (!self.hasFired_) {
      // Something is emitted, and our listener was not reached: another listener emits it, and ours is
      // still to come; or a listener threw, this is 'uncaughtException', and nothing comes any more.
      self.mark(MP_TEARDOWN_UNCAUGHT, 1);
    }
    return self.replaced_.IsEmpty() ? answer : self.wrapper_of_replaced(env);
  }

  struct Wrapped {
    ExitWatch* watch;
    Napi::FunctionReference target;
  };

  // Each has its own target: who wraps our wrapper must not become what it calls.
  Napi::Value wrapper_of_replaced(Napi::Env env) {
    if (wrapper_.IsEmpty()) {
      wrapper_ = keep(Napi::Function::New(env, emit, "emit", new Wrapped{this, keep(replaced_.Value())}));
    }
    return wrapper_.Value();
  }

  static Napi::Value set_emit(const Napi::CallbackInfo& info) {
    ExitWatch& self = watch(info);
    self.wrapper_.Reset();
    if (info[0].IsFunction() && !info[0].StrictEquals(self.inherited_emit(info.Env()))) {
      self.replaced_ = keep(info[0].As<Napi::Function>());
    } else {
      self.replaced_.Reset();
    }
    return info.Env().Undefined();
  }

  // As process.on('exit', listener) would, but without 'newListener' and the warning for the eleventh.
  void append_listener(Napi::Env env) {
    Napi::Object process = process_.Value();
    Napi::Value found = process.Get("_events");
    if (!found.IsObject()) return;
    Napi::Object events = found.As<Napi::Object>();
    Napi::Value listeners = events.Get("exit");
    if (listeners.IsUndefined()) {
      events.Set("exit", listener_.Value());
      process.Set("_eventsCount", process.Get("_eventsCount").ToNumber().Int32Value() + 1);
    } else if (listeners.IsArray()) {
      Napi::Array array = listeners.As<Napi::Array>();
      array.Set(array.Length(), listener_.Value());
    } else {
      Napi::Array array = Napi::Array::New(env, 2);
      array.Set(0u, listeners);
      array.Set(1u, listener_.Value());
      events.Set("exit", array);
    }
  }

  // The last listener of 'exit'.
  static Napi::Value on_exit(const Napi::CallbackInfo& info) {
    watch(info).finish(info[0]);
    return info.Env().Undefined();
  }

  static Napi::Value emit(const Napi::CallbackInfo& info) {
    Wrapped* wrapped = static_cast<Wrapped*>(info.Data());
    Napi::Value result = wrapped->target.Value().Call(info.This(), arguments_of(info));
    if (!info.Env().IsExceptionPending() && info[0].IsString() &&
        info[0].As<Napi::String>().Utf8Value() == "exit") {
      wrapped->watch->finish(info[1]);
    }
    return result;
  }

  // Of process.exit() it is taken here, before reallyExit: the program's listeners are done.
  void take_last_checkpoint() {
    memprof::Environment* environment = environment_;
    environment_ = nullptr;
    if (environment != nullptr) memprof::take_checkpoint(environment, MP_CHECKPOINT_EXIT);
    memprof::end_checkpoints();
  }

  void finish(Napi::Value code) {
    hasFired_ = true;
    take_last_checkpoint();
    // Of process.exit(): really_exit comes next and corrects it.
    mark(isExitingSet_ ? MP_TEARDOWN_UNCAUGHT : MP_TEARDOWN_NATURAL, code_of(code));
  }

  static Napi::Value set_exiting(const Napi::CallbackInfo& info) {
    ExitWatch& self = watch(info);
    self.isExitingSet_ = info[0].ToBoolean().Value();
    self.exitingSetter_.Value().Call(info.This(), {info[0]});
    return info.Env().Undefined();
  }

  static Napi::Value really_exit(const Napi::CallbackInfo& info) {
    ExitWatch& self = watch(info);
    self.take_last_checkpoint();
    self.mark(MP_TEARDOWN_PROCESS_EXIT, code_of(info[0]));
    return self.reallyExit_.Value().Call(info.This(), arguments_of(info));
  }

  static std::vector<napi_value> arguments_of(const Napi::CallbackInfo& info) {
    std::vector<napi_value> arguments(info.Length());
    for (size_t i = 0; i < arguments.size(); i++) arguments[i] = info[i];
    return arguments;
  }

  static uint32_t code_of(Napi::Value code) {
    return code.IsNumber() ? static_cast<uint32_t>(code.As<Napi::Number>().Int32Value()) : 0;
  }

  void mark(uint64_t how, uint32_t code) {
    memprof::end_collections();
    mark_(MP_MARK_BEFORE_TEARDOWN, code | how << 32, nullptr);
  }

  MarkFunction mark_;
  memprof::Environment* environment_;
  Napi::ObjectReference process_, prototype_;
  Napi::FunctionReference exitingSetter_, reallyExit_, listener_, wrapper_;
  Napi::FunctionReference replaced_;  // what somebody put in the place of process.emit
  bool isExitingSet_ = false;         // by JavaScript
  bool isArmed_ = false;              // 'exit' is being emitted
  bool hasFired_ = false;
};

// Node and V8 as they are in this process, learned once; and this thread's environment among them.
memprof::Environment* join_environments(Napi::Env env, Napi::Value samples, bool isMainThread) {
  memprof::Agent& agent = memprof::agent();
  static std::once_flag once;
  std::call_once(once, [&] {
    agent.hasV8 = agent.v8.load();
    agent.canFindOwners = agent.hasV8 && agent.layout.load(env, samples);
  });
  if (!agent.hasV8) return nullptr;
  void* node = agent.v8.currentEnvironment(agent.v8.currentContext(agent.v8.currentIsolate()));
  auto number = shim_function<uint32_t (*)()>("memprof_isolate_number");
  napi_ref prototype;
  if (node == nullptr ||
      napi_create_reference(env, samples.As<Napi::Array>().Get(6u), 1, &prototype) != napi_ok) {
    return nullptr;
  }
  return memprof::enter_environment(
      {env, node, number == nullptr ? 0 : number(), 0, isMainThread, prototype, 0});
}

// start(info: string, isMainThread: boolean, samples: unknown[]): boolean. False: not under memprof.
// samples: see layout.h.
Napi::Value start(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  auto mark = shim_function<MarkFunction>("memprof_mark");
  auto agentInfo = shim_function<InfoFunction>("memprof_agent_info");
  auto attach = shim_function<AttachFunction>("memprof_attach_isolate");
  if (mark == nullptr || agentInfo == nullptr || attach == nullptr) return Napi::Boolean::New(env, false);
  attach();
  std::string json = info[0].As<Napi::String>().Utf8Value();
  agentInfo(json.data(), json.size());
  bool isMainThread = info[1].As<Napi::Boolean>().Value();
  memprof::Environment* environment = join_environments(env, info[2], isMainThread);
  const memprof::V8Api& v8 = memprof::agent().v8;
  if (memprof::agent().hasV8) memprof::note_collections(v8, v8.currentIsolate(), mark);
  if (isMainThread) {
    bool atExit = (memprof::session_flags() & MP_SESSION_CHECKPOINT_EXIT) != 0;
    new ExitWatch(env, mark, atExit ? environment : nullptr);  // for good: it outlives its environment
    if (environment != nullptr) memprof::watch_for_demands();
  }
  return Napi::Boolean::New(env, true);
}

// checkpoint(name: string): number. -1: not under memprof; 0: not now.
Napi::Value checkpoint(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  memprof::Environment* environment = memprof::environment_here();
  auto mark = shim_function<MarkFunction>("memprof_mark");
  if (environment == nullptr || mark == nullptr) return Napi::Number::New(env, -1);
  std::string name = info[0].As<Napi::String>().Utf8Value();
  uint32_t number = memprof::take_checkpoint(environment, MP_CHECKPOINT_PROGRAM);
  if (number != 0) mark(MP_MARK_USER, number, name.c_str());
  return Napi::Number::New(env, number);
}

Napi::Object init(Napi::Env env, Napi::Object exports) {
  exports.Set("start", Napi::Function::New(env, start, "start"));
  exports.Set("checkpoint", Napi::Function::New(env, checkpoint, "checkpoint"));
  memprof::export_questions(env, exports);
  return exports;
}

}  // namespace

NODE_API_MODULE(memprof_agent, init)
