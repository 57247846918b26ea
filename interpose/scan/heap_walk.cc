#include "heap_walk.h"

#include "guard.h"

namespace mp::scan {
namespace {

constexpr uintptr_t kHeaderBytes = 16;
constexpr uintptr_t kLeastChunk = 32;
constexpr uint64_t kPreviousInUse = 1;
constexpr uint64_t kFlags = 7;
// struct malloc_chunk: what a free chunk keeps for itself when its pages are given back.
constexpr uintptr_t kFreeChunkHead = 0x30;
// tcache_perthread_struct: 64 counts of 16 bits, 64 lists.
constexpr uint64_t kTcacheChunk = 0x290;
constexpr uint32_t kTcacheBins = 64;
constexpr uint32_t kMaxListed = 1u << 16;

bool is_size(uint64_t size) { return size >= kLeastChunk && size % 16 == 0; }

uintptr_t reveal(uintptr_t place, uint64_t word, uint32_t glibcMinor) {
  return glibcMinor >= 32 ? (place >> 12) ^ word : word;
}

// Walks [firstChunk, end): visit(chunk, size, isInUse) for each chunk but the top. Returns where it ended: at the
// top, at the fence that closes a heap which is not the arena's last, or where a header made no sense.
enum class End { kTop, kFence, kBroken };
template <typename Visit>
End each_chunk(const Heap& heap, uintptr_t* at, Visit visit) {
  uintptr_t chunk = heap.firstChunk;
  for (;;) {
    *at = chunk;
    if (chunk == heap.top) return End::kTop;
    uint64_t head = 0;
    if (chunk + kHeaderBytes > heap.high || !read_word(chunk + 8, &head)) return End::kBroken;
    uint64_t size = head & ~kFlags;
    if (size == kHeaderBytes) return End::kFence;
    if (!is_size(size) || size > heap.high - chunk) return End::kBroken;
    uint64_t next = 0;
    // The last chunk of all is the top; another one has one behind it.
    if (chunk + size + kHeaderBytes > heap.high || !read_word(chunk + size + 8, &next)) return End::kBroken;
    visit(chunk, size, (next & kPreviousInUse) != 0);
    chunk += size;
  }
}

struct Counts {
  uint16_t of[kTcacheBins];
};

// A table is well-formed where each list is there exactly if its count is not 0.
bool read_table(uintptr_t table, Counts* counts, uintptr_t* lists) {
  for (uint32_t i = 0; i < kTcacheBins / 4; ++i) {
    uint64_t word = 0;
    if (!read_word(table + i * 8, &word)) return false;
    for (uint32_t j = 0; j < 4; ++j) counts->of[i * 4 + j] = static_cast<uint16_t>(word >> (16 * j));
  }
  bool isEmpty = true;
  for (uint32_t i = 0; i < kTcacheBins; ++i) {
    uint64_t word = 0;
    if (!read_word(table + 128 + i * 8, &word)) return false;
    if ((counts->of[i] == 0) != (word == 0) || word % 16 != 0) return false;
    lists[i] = word;
    isEmpty = isEmpty && word == 0;
  }
  return !isEmpty;
}

class Walk {
 public:
  Walk(const Heap& heap, const LiveBlocks& live, const PageBits& pages, const TcacheKeys& keys, HeapRow* row)
      : heap_(heap), live_(live), pages_(pages), keys_(keys), row_(*row) {}

  void run(uint32_t glibcMinor) {
    add(MP_PART_INFO, heap_.low, heap_.firstChunk, 0);
    uintptr_t at = heap_.firstChunk;
    End end = each_chunk(heap_, &at, [this](uintptr_t chunk, uint64_t size, bool isInUse) {
      if (isInUse)
        used(chunk, size);
      else
        released(chunk, size);
    });
    switch (end) {
      case End::kTop:
        take_top(at);
        break;
      case End::kFence:
        add(MP_PART_INFO, at, heap_.high, 0);
        row_.flags |= MP_WALK_WHOLE;
        break;
      case End::kBroken:
        add(MP_PART_OTHER, at, heap_.high, 0);
        break;
    }
    take_fast(glibcMinor);
  }

 private:
  void add(uint32_t part, uintptr_t from, uintptr_t to, uint64_t count) {
    row_.count[part] += count;
    row_.bytes[part] += to - from;
    row_.resident[part] += pages_.resident(from, to);
  }

  void used(uintptr_t chunk, uint64_t size) {
    uintptr_t memory = chunk + kHeaderBytes;
    uint32_t row = live_.at(memory);
    if (row != kNoRow) {
      add(MP_PART_LIVE, chunk, chunk + size, 1);
      row_.liveAskedBytes += live_.sizes[row];
      row_.liveAskedResidentBytes += pages_.resident(memory, memory + live_.sizes[row]);
      return;
    }
    uint64_t key = 0;
    bool isKept = read_word(memory + 8, &key) && keys_.has(key);
    add(isKept ? MP_PART_TCACHE : MP_PART_OTHER, chunk, chunk + size, 1);
  }

  void released(uintptr_t chunk, uint64_t size) {
    add(MP_PART_FREE, chunk, chunk + size, 1);
    if (size > row_.largestFreeBytes) row_.largestFreeBytes = size;
    // malloc_trim gives back whole pages inside, behind what it needs for its lists.
    uintptr_t from = round_up(chunk + kFreeChunkHead, MP_PAGE);
    uintptr_t to = (chunk + size) & ~uintptr_t{MP_PAGE - 1};
    if (from < to) row_.trimmableBytes += pages_.resident(from, to);
  }

  void take_top(uintptr_t top) {
    uint64_t head = 0;
    uint64_t size = read_word(top + 8, &head) ? head & ~kFlags : 0;
    if (size == 0 || size > heap_.high - top) {
      add(MP_PART_OTHER, top, heap_.high, 0);
      return;
    }
    uintptr_t end = top + size;
    add(MP_PART_TOP, top, end, 1);
    // Somebody else moved the break, too.
    if (end < heap_.high) add(MP_PART_OTHER, end, heap_.high, 0);
    row_.flags |= MP_WALK_WHOLE | MP_WALK_LAST;
    // malloc_trim(0) moves the main arena's break back, but for one chunk of the least size; other arenas' tops
    // stay.
    uintptr_t kept = end - (size - kLeastChunk - 1) / MP_PAGE * MP_PAGE;
    if (heap_.isMain && size > kLeastChunk && kept < end) row_.trimmableBytes += pages_.resident(kept, end);
  }

  // Chunks in fast bins look used: their list knows them. All of the arena's lists, of which this heap's are taken.
  void take_fast(uint32_t glibcMinor) {
    for (uint32_t bin = 0; bin < kFastBins; ++bin) {
      uint64_t chunk = 0;
      if (!read_word(heap_.arena + kStateFast + bin * 8, &chunk)) return;
      for (uint32_t listed = 0; chunk != 0 && listed < kMaxListed; ++listed) {
        uint64_t head = 0;
        uint64_t next = 0;
        if (chunk % 16 != 0 || !read_word(chunk + 8, &head) || !read_word(chunk + 16, &next)) break;
        uint64_t size = head & ~kFlags;
        if (!is_size(size)) break;
        if (chunk >= heap_.firstChunk && chunk + size <= heap_.high) {
          uint64_t resident = pages_.resident(chunk, chunk + size);
          uint32_t from = MP_PART_OTHER;
          if (row_.count[from] == 0 || row_.bytes[from] < size || row_.resident[from] < resident) return;
          row_.count[from]--;
          row_.bytes[from] -= size;
          row_.resident[from] -= resident;
          row_.count[MP_PART_FAST]++;
          row_.bytes[MP_PART_FAST] += size;
          row_.resident[MP_PART_FAST] += resident;
        }
        chunk = reveal(chunk + 16, next, glibcMinor);
      }
    }
  }

  const Heap& heap_;
  const LiveBlocks& live_;
  const PageBits& pages_;
  const TcacheKeys& keys_;
  HeapRow& row_;
};

}  // namespace

uint64_t PageBits::resident(uintptr_t from, uintptr_t to) const {
  uint64_t bytes = 0;
  while (from < to) {
    uintptr_t pageEnd = (from & ~uintptr_t{MP_PAGE - 1}) + MP_PAGE;
    uintptr_t end = pageEnd < to ? pageEnd : to;
    if (is_there(from)) bytes += end - from;
    from = end;
  }
  return bytes;
}

bool TcacheKeys::has(uint64_t word) const {
  if (word == 0) return false;
  if (word == key) return true;
  for (size_t i = 0; i < tableCount; ++i) {
    if (tables[i] == word) return true;
  }
  return false;
}

void learn_tcache(const Heap& heap, TcacheKeys* keys) {
  uintptr_t at = 0;
  each_chunk(heap, &at, [keys](uintptr_t chunk, uint64_t size, bool isInUse) {
    if (size != kTcacheChunk || !isInUse) return;
    Counts counts;
    uintptr_t lists[kTcacheBins];
    uintptr_t table = chunk + kHeaderBytes;
    if (!read_table(table, &counts, lists)) return;
    for (uintptr_t first : lists) {
      uint64_t key = 0;
      if (first == 0) continue;
      if (!read_word(first + 8, &key) || key == 0) return;
      if (key != table) {
        // One key in all the process: a second one shows that this is no table.
        if (keys->key == 0) keys->key = key;
      } else if (keys->tableCount < TcacheKeys::kMaxTables) {
        keys->tables[keys->tableCount++] = table;
      }
      return;
    }
  });
}

void walk_heap(const Heap& heap, const LiveBlocks& live, const PageBits& pages, const TcacheKeys& keys,
               uint32_t glibcMinor, HeapRow* row) {
  *row = HeapRow{};
  row->low = heap.low;
  row->high = heap.high;
  row->arena = heap.arena;
  if (heap.isMain) row->flags |= MP_WALK_MAIN;
  Walk(heap, live, pages, keys, row).run(glibcMinor);
}

}  // namespace mp::scan
