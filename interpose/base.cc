#include "base.h"

#include "os/os.h"

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

void* map_pages(size_t bytes) { return os::map_anonymous(round_up(bytes, os::kPageBytes)); }

void unmap_pages(void* address, size_t bytes) {
  if (address != nullptr) os::unmap(address, round_up(bytes, os::kPageBytes));
}

}  // namespace mp
