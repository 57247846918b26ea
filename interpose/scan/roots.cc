#include "roots.h"

#include <errno.h>
#include <fcntl.h>
#include <gnu/libc-version.h>

#include "../modules/modules.h"
#include "../os/os.h"
#include "../os/raw.h"
#include "../own_memory.h"
#include "../ring/process.h"
#include "../ring/thread.h"
#include "frames.h"
#include "guard.h"
#include "main_arena.h"
#include "maps.h"
#include "mark.h"
#include "pages.h"
#include "picture.h"
#include "regions.h"
#include "thread_memory.h"

namespace mp::scan {
namespace {

// The kernel allows 65,530 mappings unless told otherwise; a line of each is short.
constexpr size_t kMapsBytes = 64u << 20;
constexpr size_t kMaxMappings = 1u << 18;
constexpr size_t kMaxSpans = 1u << 17;
constexpr size_t kMaxRegions = 1u << 19;
// Memory that processes share may be larger than all else: so much of it is read.
constexpr uint64_t kSharedBytes = 1u << 30;
constexpr uint32_t kFramesOfThread = 128;

// The order in which roots are asked: what says most comes first.
constexpr uint32_t kRootOrder[] = {MP_REACH_GLOBAL, MP_REACH_TLS, MP_REACH_STACK, MP_REACH_MAPPING,
                                   MP_REACH_V8};

template <typename Cell>
Cell* table(size_t count) {
  return static_cast<Cell*>(map_pages(count * sizeof(Cell)));
}

class Search {
 public:
  Search(const Moment& moment, Sheet& sheet) : moment_(moment), sheet_(sheet) {}
  int run();

 private:
  bool prepare();
  void read_mappings();
  void place_threads();
  void place_own_memory();
  void place_ranges();
  void cut();
  void scan_regions(uint32_t reach);
  void scan_region(const Region& region, uint32_t row);
  void scan_part(uintptr_t low, uintptr_t high, const Region& region, uint32_t row);
  void scan_registers();
  void read_first_words();
  void name_frames();

  const Moment& moment_;
  Sheet& sheet_;
  Pages* pages_ = nullptr;
  Marker marker_;
  Mapping* mappings_ = nullptr;
  size_t mappingCount_ = 0;
  Spans live_{};    // stacks, TLS
  Spans dead_{};    // no roots
  Spans known_{};   // V8's
  Spans tables_{};  // of threads that ended
  Region* regions_ = nullptr;
  size_t regionCount_ = 0;
  uint64_t sharedBytes_ = 0;
  uint32_t libcModule_ = 0xffffffffu;
};

bool Search::prepare() {
  pages_ = table<Pages>(1);
  mappings_ = table<Mapping>(kMaxMappings);
  live_ = Spans{table<Span>(kMaxSpans), 0, kMaxSpans};
  dead_ = Spans{table<Span>(kMaxSpans), 0, kMaxSpans};
  known_ = Spans{table<Span>(kMaxSpans), 0, kMaxSpans};
  tables_ = Spans{table<Span>(kMaxSpans), 0, kMaxSpans};
  regions_ = table<Region>(kMaxRegions);
  if (pages_ == nullptr || mappings_ == nullptr || live_.spans == nullptr || dead_.spans == nullptr ||
      known_.spans == nullptr || tables_.spans == nullptr || regions_ == nullptr) {
    return false;
  }
  pages_->open();
  return marker_.prepare(sheet_.columns, pages_);
}

void Search::read_mappings() {
  char* text = static_cast<char*>(map_pages(kMapsBytes));
  if (text == nullptr) return;
  long got = os::read_file("/proc/self/maps", text, kMapsBytes);
  char folder[kPathBytes];
  strncpy(folder, g_process.sessionPath, sizeof folder - 1);
  folder[sizeof folder - 1] = '\0';
  char* slash = strrchr(folder, '/');
  if (slash != nullptr) slash[1] = '\0';
  size_t found = got > 0 ? parse_maps(text, static_cast<size_t>(got), folder, mappings_, kMaxMappings) : 0;
  mappingCount_ = found < kMaxMappings ? found : kMaxMappings;
}

struct Handles {
  uintptr_t controlBlock;
  uint32_t tid;
  uintptr_t placeInPage;
};

void Search::place_threads() {
  const Stop& stop = moment_.stop;
  size_t count = stop.count + 1;
  auto* blocks = table<uintptr_t>(count);
  auto* tids = table<uint32_t>(count);
  if (blocks == nullptr || tids == nullptr) return;
  Space space{mappings_, mappingCount_, pages_, moment_.tlsBelow};
  const auto process = static_cast<uint32_t>(g_process.pid);
  size_t living = 0;
  uintptr_t placeInPage = 0;
  auto add = [&](uint32_t tid, uintptr_t sp, uintptr_t controlBlock) {
    add_thread(space, StackUse{tid, tid == process, sp, controlBlock}, marker_.index(),
               sheet_.columns.address, sheet_.columns.size, &live_, &dead_);
    blocks[living] = controlBlock;
    tids[living++] = tid;
    if (tid != process && controlBlock != 0) placeInPage = controlBlock % os::kPageBytes;
  };
  add(moment_.tid, moment_.caller.sp, moment_.controlBlock);
  for (uint32_t i = 0; i < stop.count; ++i) {
    const Thread& each = stop.threads[i];
    if (each.standing() == Standing::kGone) continue;
    Handles known{each.controlBlock, each.tid, 0};
    if (known.controlBlock == 0) {
      thread::each_state(
          [](const ThreadState& state, void* context) {
            auto* wanted = static_cast<Handles*>(context);
            if (state.kernelId == wanted->tid) wanted->controlBlock = static_cast<uintptr_t>(state.handle);
          },
          &known);
    }
    add(each.tid, each.sp, known.controlBlock);
  }
  if (placeInPage == 0) {
    // No thread lives but the first. One that ended has left its handle.
    Handles ended{moment_.controlBlock, 0, 0};
    thread::each_state(
        [](const ThreadState& state, void* context) {
          auto* seen = static_cast<Handles*>(context);
          auto handle = static_cast<uintptr_t>(state.handle);
          if (handle != 0 && handle != seen->controlBlock) seen->placeInPage = handle % os::kPageBytes;
        },
        &ended);
    placeInPage = ended.placeInPage;
  }
  if (placeInPage == 0) return;
  LivingThreads threads{blocks, tids, living, find_tid_place(moment_.controlBlock, moment_.tid)};
  add_ended_stacks(space, placeInPage, threads, &dead_, &tables_);
}

void Search::place_own_memory() {
  constexpr size_t kMaxPieces = 16384;
  auto* pieces = table<own_memory::Piece>(kMaxPieces);
  size_t count = pieces == nullptr ? 0 : own_memory::list(pieces, kMaxPieces);
  for (size_t i = 0; i < count && i < kMaxPieces; ++i) dead_.add(pieces[i].low, pieces[i].high, kNoRoot, 0);
  live_.add(moment_.hintsLow, moment_.hintsHigh, MP_REACH_MAPPING, 0);
  for (size_t i = 0; i < 2; ++i) dead_.add(moment_.askedLow[i], moment_.askedHigh[i], kNoRoot, 0);
  if (const modules::Module* shim = modules::find(reinterpret_cast<uintptr_t>(&g_process))) {
    live_.add(moment_.alsoRootLow, moment_.alsoRootHigh, MP_REACH_MAPPING, 0);
    dead_.add(shim->low, shim->high, kNoRoot, 0);
  }
  // The agent's globals: who asks with owners is the agent, and what it holds it holds for the program.
  const modules::Module* agent = modules::find(moment_.caller.pc);
  if (agent != nullptr && moment_.header->ownerState != MP_OWNERS_NONE)
    dead_.add(agent->low, agent->high, kNoRoot, 0);
  // Blocks that nobody could record lie there too: then all of it may hold something.
  bool isComplete =
      !g_process.hasInherited && g_process.header->lostEvents == 0 && g_process.header->untracedThreads == 0;
  if (!isComplete) return;
  Space space{mappings_, mappingCount_, pages_, 0};
  add_arenas(space, &dead_);
  add_main_arena(mappings_, mappingCount_, &dead_);
  for (size_t i = 0; i < mappingCount_; ++i) {
    if (mappings_[i].backing == Backing::kHeap) dead_.add(mappings_[i].low, mappings_[i].high, kNoRoot, 0);
  }
}

void Search::place_ranges() {
  for (uint32_t i = 0; i < sheet_.rangeCount; ++i) {
    const ScanRange& range = sheet_.ranges[i];
    uintptr_t high = range.address + range.sizeBytes;
    if (high < range.address) continue;
    if (range.kind == MP_RANGE_ALLOCATOR) dead_.add(range.address, high, kNoRoot, 0);
    if (range.kind == MP_RANGE_V8) known_.add(range.address, high, MP_REACH_V8, 0);
  }
}

void Search::cut() {
  live_.count = tidy(live_.spans, live_.count);
  dead_.count = tidy(dead_.spans, dead_.count);
  known_.count = tidy(known_.spans, known_.count);
  const Layer layers[] = {
      {live_.spans, live_.count}, {dead_.spans, dead_.count}, {known_.spans, known_.count}};
  cut_regions(
      mappings_, mappingCount_, layers, 3,
      [&](const Mapping& mapping, uintptr_t address) {
        // What is left of the first thread's stack lies below its sp, or belongs to the kernel's start block.
        if (mapping.backing == Backing::kStack) return Default{kNoRoot, 0, false, UINTPTR_MAX};
        const modules::Module* module = mapping.isShared ? nullptr : modules::find(address);
        // A part that became read-only after relocation is read where it was written. Behind an image's zeroed
        // data the kernel may have put a mapping of anybody's, and made one of the two.
        if (module != nullptr) return Default{MP_REACH_GLOBAL, module->id, false, module->high};
        if (mapping.backing == Backing::kFile && !mapping.canWrite)
          return Default{kNoRoot, 0, false, UINTPTR_MAX};
        return Default{MP_REACH_MAPPING, 0, true, UINTPTR_MAX};
      },
      [&](const Region& region) {
        if (regionCount_ < kMaxRegions) regions_[regionCount_++] = region;
      });
  for (size_t i = 0; i < regionCount_ && i < sheet_.regionCapacity; ++i) {
    const Region& region = regions_[i];
    sheet_.regions[i] = ScanRegion{region.low, region.high, region.reach, region.id};
  }
  sheet_.header->regionCount =
      static_cast<uint32_t>(regionCount_ < sheet_.regionCapacity ? regionCount_ : sheet_.regionCapacity);
}

// Without the blocks in it: what a block holds counts once the block itself is held.
void Search::scan_part(uintptr_t low, uintptr_t high, const Region& region, uint32_t row) {
  // A pool's memory may be a program's global.
  const bool mayHoldPools =
      region.reach == MP_REACH_GLOBAL && region.id != libcModule_ && marker_.index().is_nested();
  if (!region.holdsBlocks && !mayHoldPools) {
    if (region.reach == MP_REACH_GLOBAL && region.id == libcModule_)
      marker_.scan_allocator_root(low, high, region.reach, row);
    else
      marker_.scan_root(low, high, region.reach, row, false);
    return;
  }
  const Columns& columns = sheet_.columns;
  uint32_t first = marker_.index().find(low);
  if (first != kNoRow) {
    first = marker_.index().outermost(first);
  } else {
    first = 0;
    for (uint32_t last = columns.count; first < last;) {
      uint32_t middle = first + (last - first) / 2;
      if (columns.address[middle] < low)
        first = middle + 1;
      else
        last = middle;
    }
  }
  for (; first < columns.count && columns.address[first] < high; ++first) {
    if (columns.address[first] > low)
      marker_.scan_root(low, columns.address[first], region.reach, row, false);
    uintptr_t end = columns.address[first] + columns.size[first];
    if (end > low) low = end;
  }
  if (low < high) marker_.scan_root(low, high, region.reach, row, false);
}

void Search::scan_region(const Region& region, uint32_t row) {
  auto scan = [&](uintptr_t low, uintptr_t high) { scan_part(low, high, region, row); };
  if (!region.isShared) {
    pages_->each_run(region.low, region.high, region.isFile, scan);
    return;
  }
  pages_->each_shared_run(region.low, region.high, [&](uintptr_t low, uintptr_t high) {
    sharedBytes_ += high - low;
    if (sharedBytes_ > kSharedBytes)
      marker_.skip(high - low);
    else
      scan(low, high);
  });
}

void Search::scan_registers() {
  for (uint32_t i = 0; i < moment_.stop.count; ++i) {
    const Thread& each = moment_.stop.threads[i];
    if (each.standing() != Standing::kStopped) continue;
    marker_.scan_root(each.registers, each.registersEnd, MP_REACH_REGISTER, each.tid, true);
    marker_.scan_root(each.vectors, each.vectorsEnd, MP_REACH_REGISTER, each.tid, true);
  }
  auto own = reinterpret_cast<uintptr_t>(moment_.calleeSaved);
  marker_.scan_root(own, own + sizeof moment_.calleeSaved, MP_REACH_REGISTER, moment_.tid, true);
  marker_.follow(MP_REACH_REGISTER);
}

void Search::scan_regions(uint32_t reach) {
  for (size_t i = 0; i < regionCount_; ++i) {
    if (regions_[i].reach == reach) scan_region(regions_[i], static_cast<uint32_t>(i));
  }
  marker_.follow(reach);
}

void Search::read_first_words() {
  const Columns& columns = sheet_.columns;
  for (uint32_t row = 0; row < columns.count; ++row) {
    uint64_t word = 0;
    bool isWhole = columns.size[row] >= sizeof word && columns.address[row] % sizeof word == 0;
    if (!isWhole || !read_word(columns.address[row], &word)) continue;
    if (modules::find(word) != nullptr) columns.firstWord[row] = word;
  }
}

void Search::name_frames() {
  uint32_t count = 0;
  auto add = [&](const Registers& registers, uint32_t tid) {
    uint32_t left = sheet_.frameCapacity - count;
    uint32_t most = left < kFramesOfThread ? left : kFramesOfThread;
    if (registers.sp != 0) count += find_frames(registers, tid, sheet_.frames + count, most);
  };
  add(moment_.caller, moment_.tid);
  for (uint32_t i = 0; i < moment_.stop.count; ++i) {
    const Thread& each = moment_.stop.threads[i];
    if (each.standing() == Standing::kStopped) add(Registers{each.pc, each.sp, each.rbp, false}, each.tid);
  }
  sheet_.header->frameCount = count;
}

int Search::run() {
  if (!prepare()) return -ENOMEM;
  read_mappings();
  if (mappingCount_ == 0) return -EACCES;
  auto* picture = table<Picture>(1);
  if (picture != nullptr) picture->see_pages(mappings_, mappingCount_, pages_);
  const modules::Module* libc = modules::find(reinterpret_cast<uintptr_t>(&gnu_get_libc_version));
  if (libc != nullptr) libcModule_ = libc->id;
  place_threads();
  place_own_memory();
  place_ranges();
  cut();
  const CheckpointHeader& header = *moment_.header;
  const auto* owners =
      reinterpret_cast<const OwnerRow*>(reinterpret_cast<const char*>(&header) + header.ownersOffset);
  for (uint32_t i = 0; i < header.ownerCount; ++i) marker_.hold_by_owner(owners[i].address, i);
  marker_.follow_owned();
  for (uint32_t reach : kRootOrder) {
    scan_regions(reach);
    if (reach == MP_REACH_STACK) scan_registers();
  }
  for (size_t i = 0; i < tables_.count; ++i) marker_.hold_kept_table(tables_.spans[i].low);
  marker_.follow_runtime();
  marker_.follow_ours();
  marker_.find_lost();
  read_first_words();
  name_frames();
  if (picture != nullptr) {
    const Columns& columns = sheet_.columns;
    LiveBlocks live{&marker_.index(), columns.address, columns.size, columns.flags};
    picture->write(mappings_, mappingCount_, live, columns.count, header.number);
  }
  moment_.header->scannedBytes = marker_.scanned_bytes();
  moment_.header->skippedBytes = marker_.skipped_bytes();
  return 0;
}

}  // namespace

int find_holders(const Moment& moment, Sheet& sheet) {
  auto* search = table<Search>(1);
  return search == nullptr ? -ENOMEM : (new (search) Search(moment, sheet))->run();
}

}  // namespace mp::scan
