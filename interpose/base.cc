#include "base.h"

#include "os/os.h"
#include "own_memory.h"

namespace mp {

std::atomic<uint32_t> g_changes{1};

void SpinLock::lock() {
  for (int spins = 0; !try_lock(); ++spins) {
    if (spins < 64) {
      __builtin_ia32_pause();
    } else {
      os::yield();
    }
  }
}

void* map_pages(size_t bytes) {
  void* pages = os::map_anonymous(round_up(bytes, os::kPageBytes));
  if (pages != nullptr) own_memory::note(pages, round_up(bytes, os::kPageBytes));
  return pages;
}

void unmap_pages(void* address, size_t bytes) {
  if (address == nullptr) return;
  // First: whoever gets the place next may be the program.
  own_memory::forget(address);
  os::unmap(address, round_up(bytes, os::kPageBytes));
}

}  // namespace mp
