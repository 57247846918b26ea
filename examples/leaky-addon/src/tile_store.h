// The part of tile-cache that knows nothing of JavaScript: tiles by name, with their tags.
#ifndef TILE_CACHE_TILE_STORE_H
#define TILE_CACHE_TILE_STORE_H

#include <cstddef>
#include <cstdint>
#include <list>
#include <map>
#include <string>
#include <unordered_map>
#include <vector>

struct Tile {
  std::vector<uint8_t> pixels;
  std::map<std::string, std::string> tags;
};

// Keeps the most recently used tiles. Correct: what it evicts, it frees.
class TileStore {
 public:
  explicit TileStore(size_t capacity) : capacity_(capacity) {}

  Tile& put(const std::string& name, std::vector<uint8_t> pixels);
  Tile* find(const std::string& name);
  size_t size() const { return tiles_.size(); }

 private:
  struct Entry {
    Tile tile;
    std::list<std::string>::iterator place;
  };
  size_t capacity_;
  std::unordered_map<std::string, Entry> tiles_;
  std::list<std::string> recent_;
};

// "layer=roads;style=night" into tags.
std::map<std::string, std::string> parse_tags(const std::string& text);

// A small picture of a tile; the caller frees it with free_thumbnail.
struct Thumbnail {
  std::string caption;
  uint8_t* pixels;
  size_t sizeBytes;
};
Thumbnail* make_thumbnail(const Tile& tile, const std::string& name);
void free_thumbnail(Thumbnail* thumbnail);

#endif
