// A digest of bytes, in two versions: digest() loses its state in every call, digestFixed() frees it.
#include <napi.h>

#include "digest.h"

namespace {

Napi::Value digest(const Napi::CallbackInfo& info) {
  Napi::Uint8Array bytes = info[0].As<Napi::Uint8Array>();
  DigestState* state = begin_digest();
  add_bytes(state, bytes.Data(), bytes.ByteLength());
  return Napi::Number::New(info.Env(), result_of(state));  // nobody calls end_digest
}

Napi::Value digest_fixed(const Napi::CallbackInfo& info) {
  Napi::Uint8Array bytes = info[0].As<Napi::Uint8Array>();
  DigestState* state = begin_digest();
  add_bytes(state, bytes.Data(), bytes.ByteLength());
  const uint32_t result = result_of(state);
  end_digest(state);
  return Napi::Number::New(info.Env(), result);
}

Napi::Object init(Napi::Env env, Napi::Object exports) {
  exports.Set("digest", Napi::Function::New(env, digest));
  exports.Set("digestFixed", Napi::Function::New(env, digest_fixed));
  return exports;
}

}  // namespace

NODE_API_MODULE(tiny_digest, init)
