#include "main_arena.h"

#include <unistd.h>

#include "../modules/modules.h"
#include "guard.h"

namespace mp::scan {
namespace {

// struct malloc_state of glibc 2.27 to 2.41: 0x70 bytes up to the bins (fast bins, top and last remainder), then 127
// pairs of pointers. An empty bin's pair points to the bin, which begins two words before the pair.
constexpr uintptr_t kBeforeBins = 0x70;
constexpr uintptr_t kBinsBytes = 127 * 16;
constexpr uint32_t kLeastEmptyBins = 16;

// The last bin is never used, so its pair always looks so: it says where the others are.
uintptr_t end_of_bins(uintptr_t low, uintptr_t high) {
  uintptr_t first = 0;
  uintptr_t last = 0;
  uint32_t count = 0;
  uint64_t before = 0;
  read_words(low, high, [&](uintptr_t at, uint64_t word) {
    bool isEmptyBin = word == before && word == at - 3 * sizeof(uint64_t);
    before = word;
    if (!isEmptyBin || (count >= kLeastEmptyBins && at - first > kBinsBytes)) return;
    if (count == 0 || at - first > kBinsBytes) {
      first = at;
      count = 0;
    }
    last = at;
    ++count;
  });
  return count >= kLeastEmptyBins ? last + sizeof(uint64_t) : 0;
}

}  // namespace

uintptr_t find_main_arena(const Mapping* mappings, size_t mappingCount) {
  const modules::Module* library = modules::find(reinterpret_cast<uintptr_t>(&sysconf));
  if (library == nullptr) return 0;
  uintptr_t found = 0;
  for (size_t i = 0; i < mappingCount; ++i) {
    const Mapping& mapping = mappings[i];
    if (!mapping.canRead || !mapping.canWrite || mapping.isShared || mapping.high <= library->low ||
        mapping.low >= library->high) {
      continue;
    }
    uintptr_t end = end_of_bins(mapping.low, mapping.high);
    if (end != 0) found = end - kBinsBytes - kBeforeBins;
  }
  return found;
}

void add_main_arena(const Mapping* mappings, size_t mappingCount, Spans* dead) {
  uintptr_t arena = find_main_arena(mappings, mappingCount);
  if (arena != 0) dead->add(arena, arena + kBeforeBins + kBinsBytes, kNoRoot, 0);
}

}  // namespace mp::scan
