// The bindings. Two mistakes are left in on purpose, both of a kind that is found in published
// addons: a buffer whose finalizer was forgotten, and a registry that only ever grows.
#include <napi.h>

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "tile_store.h"

namespace {

// Mistake 2: every tile that was ever tagged stays in here, evicted or not.
std::map<std::string, std::vector<std::string>>& tag_history() {
  static std::map<std::string, std::vector<std::string>> history;
  return history;
}

class TileCache : public Napi::ObjectWrap<TileCache> {
 public:
  static Napi::Function define(Napi::Env env) {
    return DefineClass(env, "TileCache",
                       {
                           InstanceMethod<&TileCache::put>("put"),
                           InstanceMethod<&TileCache::get>("get"),
                           InstanceMethod<&TileCache::thumbnail>("thumbnail"),
                           InstanceAccessor<&TileCache::size>("size"),
                       });
  }

  explicit TileCache(const Napi::CallbackInfo& info)
      : Napi::ObjectWrap<TileCache>(info), store_(info[0].As<Napi::Number>().Uint32Value()) {}

 private:
  void put(const Napi::CallbackInfo& info) {
    std::string name = info[0].As<Napi::String>();
    auto bytes = info[1].As<Napi::Buffer<uint8_t>>();
    std::string tags = info[2].As<Napi::String>();
    Tile& tile = store_.put(name, std::vector<uint8_t>(bytes.Data(), bytes.Data() + bytes.Length()));
    tile.tags = parse_tags(tags);
    remember(name, tags);
  }

  void remember(const std::string& name, const std::string& tags) { tag_history()[name].push_back(tags); }

  Napi::Value get(const Napi::CallbackInfo& info) {
    Tile* tile = store_.find(info[0].As<Napi::String>());
    if (tile == nullptr) return info.Env().Undefined();
    // Correct: the bytes are copied into a buffer that V8 owns.
    return Napi::Buffer<uint8_t>::Copy(info.Env(), tile->pixels.data(), tile->pixels.size());
  }

  Napi::Value thumbnail(const Napi::CallbackInfo& info) {
    std::string name = info[0].As<Napi::String>();
    Tile* tile = store_.find(name);
    if (tile == nullptr) return info.Env().Undefined();
    Thumbnail* thumbnail = make_thumbnail(*tile, name);
    // Mistake 1: no finalizer, so nobody ever calls free_thumbnail. The fix is a third argument:
    //   [thumbnail](Napi::Env, uint8_t*) { free_thumbnail(thumbnail); }
    return Napi::Buffer<uint8_t>::New(info.Env(), thumbnail->pixels, thumbnail->sizeBytes);
  }

  Napi::Value size(const Napi::CallbackInfo& info) {
    return Napi::Number::New(info.Env(), static_cast<double>(store_.size()));
  }

  TileStore store_;
};

Napi::Object init(Napi::Env env, Napi::Object exports) {
  exports.Set("TileCache", TileCache::define(env));
  return exports;
}

}  // namespace

NODE_API_MODULE(tile_cache, init)
