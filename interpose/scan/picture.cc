#include "picture.h"

#include <gnu/libc-version.h>

#include "../own_memory.h"
#include "../ring/process.h"
#include "../text.h"
#include "arenas.h"
#include "guard.h"
#include "main_arena.h"

namespace mp::scan {
namespace {

constexpr size_t kMaxOwn = 16384;

uint32_t glibc_minor() {
  const char* version = gnu_get_libc_version();
  const char* dot = strchr(version, '.');
  return version[0] == '2' && dot != nullptr ? parse_decimal(dot + 1) : 0;
}

bool is_seen(const Mapping& mapping) {
  return mapping.canWrite && !mapping.isShared &&
         (mapping.backing == Backing::kAnonymous || mapping.backing == Backing::kHeap);
}

size_t words_of(const Mapping& mapping) { return ((mapping.high - mapping.low) / MP_PAGE + 63) / 64; }

}  // namespace

void Picture::see_pages(const Mapping* mappings, size_t mappingCount, Pages* pages) {
  size_t count = 0;
  size_t words = 0;
  for (size_t i = 0; i < mappingCount; ++i) {
    if (!is_seen(mappings[i])) continue;
    ++count;
    words += words_of(mappings[i]);
  }
  if (count == 0) return;
  ranges_ = static_cast<PageRange*>(map_pages(count * sizeof(PageRange)));
  bits_ = static_cast<uint64_t*>(map_pages(words * sizeof(uint64_t)));
  if (ranges_ == nullptr || bits_ == nullptr) return;
  for (size_t i = 0; i < mappingCount; ++i) {
    const Mapping& mapping = mappings[i];
    if (!is_seen(mapping)) continue;
    uint64_t* bits = bits_ + bitWords_;
    pages->each_run(mapping.low, mapping.high, false, [&](uintptr_t low, uintptr_t high) {
      for (uintptr_t page = (low - mapping.low) / MP_PAGE; page < (high - mapping.low) / MP_PAGE; ++page)
        bits[page / 64] |= uint64_t{1} << (page % 64);
    });
    ranges_[rangeCount_++] = PageRange{mapping.low, mapping.high, bitWords_ * sizeof(uint64_t)};
    bitWords_ += words_of(mapping);
  }
}

PageBits Picture::bits_of(uintptr_t address) const {
  const PageRange* range = row_at(ranges_, rangeCount_, address);
  if (range == nullptr) return PageBits{0, 0, nullptr};
  return PageBits{range->low, range->high, bits_ + range->bitOffset / sizeof(uint64_t)};
}

void Picture::find_heaps(const Mapping* mappings, size_t mappingCount) {
  heaps_ = static_cast<Heap*>(map_pages(kMaxHeaps * sizeof(Heap)));
  if (heaps_ == nullptr) return;
  uintptr_t mainArena = find_main_arena(mappings, mappingCount);
  for (size_t i = 0; i < mappingCount && heapCount_ < kMaxHeaps; ++i) {
    const Mapping& mapping = mappings[i];
    uint64_t top = 0;
    if (mapping.backing == Backing::kHeap && mainArena != 0 && read_word(mainArena + kStateTop, &top)) {
      heaps_[heapCount_++] = Heap{mapping.low, mapping.high, mapping.low, mainArena, top, true};
      continue;
    }
    each_arena_heap(mapping, [&](const ArenaHeap& heap) {
      if (heapCount_ == kMaxHeaps || !read_word(heap.arena + kStateTop, &top)) return;
      bool isFirst = heap.arena > heap.low && heap.arena - heap.low < MP_PAGE;
      // The arena describes itself in its first heap. A chunk's memory is aligned, and so lies its header.
      uintptr_t first = isFirst ? round_up(heap.arena + kStateBytes, 16) : heap.low + heap_info_bytes(heap);
      heaps_[heapCount_++] = Heap{heap.low, heap.high, first, heap.arena, top, false};
    });
  }
}

bool Picture::is_in_heap(uintptr_t address) const { return row_at(heaps_, heapCount_, address) != nullptr; }

// A chunk with a mapping of its own says so in its header, and how far into the mapping it lies.
void Picture::take_rest(PictureHeader* header, const LiveBlocks& live, uint32_t liveCount) const {
  constexpr uint64_t kIsMapped = 2;
  for (uint32_t row = 0; row < liveCount; ++row) {
    uintptr_t address = live.addresses[row];
    if (is_in_heap(address) || live.is_pools(row)) continue;
    uint64_t asked = live.sizes[row];
    uint64_t head = 0;
    uint64_t before = 0;
    PageBits pages = bits_of(address);
    bool isMapped = heapCount_ != 0 && address % 16 == 0 && read_word(address - 8, &head) &&
                    read_word(address - 16, &before) && (head & 7) == kIsMapped &&
                    (address - 16 - before) % MP_PAGE == 0 &&
                    ((head & ~uint64_t{7}) + before) % MP_PAGE == 0 && (head & ~uint64_t{7}) > asked;
    if (isMapped) {
      uintptr_t from = address - 16 - before;
      uint64_t bytes = (head & ~uint64_t{7}) + before;
      header->mappedCount++;
      header->mappedAskedBytes += asked;
      header->mappedBytes += bytes;
      header->mappedResidentBytes += pages.resident(from, from + bytes);
      header->mappedAskedResidentBytes += pages.resident(address, address + asked);
    } else {
      header->strayCount++;
      header->strayBytes += asked;
      header->strayResidentBytes += pages.resident(address, address + asked);
    }
  }
}

void Picture::write(const Mapping* mappings, size_t mappingCount, const LiveBlocks& live, uint32_t liveCount,
                    uint32_t checkpoint) {
  if (bits_ == nullptr) return;
  find_heaps(mappings, mappingCount);
  auto* keys = static_cast<TcacheKeys*>(map_pages(sizeof(TcacheKeys)));
  if (heaps_ == nullptr || keys == nullptr) return;
  uint64_t heapOffset = MP_PAGE;
  uint64_t rangeOffset = heapOffset + heapCount_ * sizeof(HeapRow);
  uint64_t ownOffset = rangeOffset + rangeCount_ * sizeof(PageRange);
  uint64_t bitOffset = ownOffset + kMaxOwn * sizeof(own_memory::Piece);
  uint64_t bytes = bitOffset + bitWords_ * sizeof(uint64_t);
  auto* header = static_cast<PictureHeader*>(create_part('m', checkpoint, round_up(bytes, MP_PAGE)));
  if (header == nullptr) return;
  header->magic = MP_WIRE_MAGIC_PICTURE;
  header->abi = MP_WIRE_ABI;
  header->headerBytes = MP_PAGE;
  header->heapCount = static_cast<uint32_t>(heapCount_);
  header->rangeCount = static_cast<uint32_t>(rangeCount_);
  header->heapOffset = heapOffset;
  header->rangeOffset = rangeOffset;
  header->ownOffset = ownOffset;
  header->fileBytes = bytes;
  char* start = reinterpret_cast<char*>(header);
  auto* ranges = reinterpret_cast<PageRange*>(start + rangeOffset);
  for (size_t i = 0; i < rangeCount_; ++i) {
    ranges[i] = ranges_[i];
    ranges[i].bitOffset += bitOffset;
  }
  size_t ownCount = own_memory::list(reinterpret_cast<own_memory::Piece*>(start + ownOffset), kMaxOwn);
  header->ownCount = static_cast<uint32_t>(ownCount < kMaxOwn ? ownCount : kMaxOwn);
  memcpy(start + bitOffset, bits_, bitWords_ * sizeof(uint64_t));
  for (size_t i = 0; i < heapCount_; ++i) learn_tcache(heaps_[i], keys);
  auto* rows = reinterpret_cast<HeapRow*>(start + heapOffset);
  uint32_t minor = glibc_minor();
  for (size_t i = 0; i < heapCount_; ++i)
    walk_heap(heaps_[i], live, bits_of(heaps_[i].low), *keys, minor, &rows[i]);
  take_rest(header, live, liveCount);
  publish_part('m', checkpoint);
}

}  // namespace mp::scan
