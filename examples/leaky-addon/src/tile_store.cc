#include "tile_store.h"

#include <cstdlib>
#include <utility>

Tile& TileStore::put(const std::string& name, std::vector<uint8_t> pixels) {
  auto found = tiles_.find(name);
  if (found != tiles_.end()) {
    recent_.erase(found->second.place);
    tiles_.erase(found);
  }
  if (tiles_.size() == capacity_ && capacity_ > 0) {
    tiles_.erase(recent_.back());
    recent_.pop_back();
  }
  recent_.push_front(name);
  Entry& entry = tiles_[name];
  entry.tile.pixels = std::move(pixels);
  entry.place = recent_.begin();
  return entry.tile;
}

Tile* TileStore::find(const std::string& name) {
  auto found = tiles_.find(name);
  if (found == tiles_.end()) return nullptr;
  recent_.splice(recent_.begin(), recent_, found->second.place);
  return &found->second.tile;
}

std::map<std::string, std::string> parse_tags(const std::string& text) {
  std::map<std::string, std::string> tags;
  size_t begin = 0;
  while (begin < text.size()) {
    size_t end = text.find(';', begin);
    if (end == std::string::npos) end = text.size();
    size_t equals = text.find('=', begin);
    if (equals != std::string::npos && equals < end) {
      tags.emplace(text.substr(begin, equals - begin), text.substr(equals + 1, end - equals - 1));
    }
    begin = end + 1;
  }
  return tags;
}

Thumbnail* make_thumbnail(const Tile& tile, const std::string& name) {
  auto* thumbnail = new Thumbnail;
  thumbnail->caption = "thumbnail of the tile called " + name;
  thumbnail->sizeBytes = tile.pixels.size() / 16;
  thumbnail->pixels = static_cast<uint8_t*>(std::malloc(thumbnail->sizeBytes));
  for (size_t i = 0; i < thumbnail->sizeBytes; i++) thumbnail->pixels[i] = tile.pixels[i * 16];
  return thumbnail;
}

void free_thumbnail(Thumbnail* thumbnail) {
  std::free(thumbnail->pixels);
  delete thumbnail;
}
