// parseTrack('53.55,9.99;53.56,10.01') gives { pointCount, km }, and throws if a point is broken.
#include <napi.h>

#include "track.h"

namespace {

Napi::Value parse_track(const Napi::CallbackInfo& info) {
  const std::string text = info[0].As<Napi::String>();
  Track* track = new Track;
  if (!read_points(text, *track)) throw Napi::Error::New(info.Env(), "a point is not two numbers");

  Napi::Object result = Napi::Object::New(info.Env());
  result.Set("pointCount", track->degrees.size() / 2);
  result.Set("km", track->km);
  delete track;
  return result;
}

Napi::Object init(Napi::Env env, Napi::Object exports) {
  exports.Set("parseTrack", Napi::Function::New(env, parse_track));
  return exports;
}

}  // namespace

NODE_API_MODULE(gps_track, init)
