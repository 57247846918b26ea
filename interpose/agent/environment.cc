#include "environment.h"

#include <sys/syscall.h>
#include <unistd.h>

#include <mutex>
#include <new>

namespace memprof {
namespace {

struct Places {
  std::mutex lock;
  Environment places[kMaxEnvironments];
  uint32_t lastTicket;
};

// Never destroyed: a Worker may still be running while the process ends.
Places& all() {
  alignas(Places) static char memory[sizeof(Places)];
  static Places* places = new (memory) Places{};
  return *places;
}

void leave(void* data) {
  Places& places = all();
  std::lock_guard<std::mutex> locked(places.lock);
  static_cast<Environment*>(data)->ticket = 0;
}

}  // namespace

Agent& agent() {
  static Agent instance;
  return instance;
}

Environment* enter_environment(const Environment& environment) {
  Places& places = all();
  Environment* mine = nullptr;
  {
    std::lock_guard<std::mutex> locked(places.lock);
    for (Environment& place : places.places) {
      if (place.ticket != 0) continue;
      place = environment;
      place.ticket = ++places.lastTicket;
      place.thread = static_cast<int>(syscall(SYS_gettid));
      mine = &place;
      break;
    }
  }
  if (mine != nullptr && napi_add_env_cleanup_hook(environment.env, leave, mine) != napi_ok) {
    leave(mine);
    return nullptr;
  }
  return mine;
}

Environment* environment_here() {
  const V8Api& v8 = agent().v8;
  if (!agent().hasV8) return nullptr;
  void* isolate = v8.currentIsolate();
  void* node = isolate == nullptr ? nullptr : v8.currentEnvironment(v8.currentContext(isolate));
  Places& places = all();
  std::lock_guard<std::mutex> locked(places.lock);
  for (Environment& place : places.places) {
    if (place.ticket != 0 && place.node == node) return &place;
  }
  return nullptr;
}

bool call_in(uint32_t ticket, void (*callback)(void*), void* data) {
  Places& places = all();
  // The lock keeps it from going away meanwhile: leave() comes first in its end.
  std::lock_guard<std::mutex> locked(places.lock);
  for (Environment& place : places.places) {
    if (place.ticket != ticket) continue;
    agent().v8.requestInterrupt(place.node, callback, data);
    return true;
  }
  return false;
}

bool environment_of(uint32_t ticket, Environment* environment) {
  Places& places = all();
  std::lock_guard<std::mutex> locked(places.lock);
  for (Environment& place : places.places) {
    if (place.ticket != ticket) continue;
    *environment = place;
    return true;
  }
  return false;
}

uint32_t other_environments(uint32_t ticket, uint32_t* tickets) {
  Places& places = all();
  std::lock_guard<std::mutex> locked(places.lock);
  uint32_t count = 0;
  for (Environment& place : places.places) {
    if (place.ticket != 0 && place.ticket != ticket) tickets[count++] = place.ticket;
  }
  return count;
}

uint32_t main_environment() {
  Places& places = all();
  std::lock_guard<std::mutex> locked(places.lock);
  for (Environment& place : places.places) {
    if (place.ticket != 0 && place.isMain) return place.ticket;
  }
  return 0;
}

}  // namespace memprof
