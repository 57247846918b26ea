// How much memory the allocator that is measured has.
#ifndef MEMPROF_REPLAY_RESIDENT_H
#define MEMPROF_REPLAY_RESIDENT_H

#include <fcntl.h>
#include <stdlib.h>

#include "own.h"

namespace replay {

constexpr size_t kMapsBytes = 1u << 16;

// Private anonymous pages that are there, without ours: "Rss" of each mapping in smaps whose path is empty or [heap].
// text: kMapsBytes + 1.
inline uint64_t resident_bytes(const OwnMemory& own, char* text) {
  int file = open("/proc/self/smaps", O_RDONLY | O_CLOEXEC);
  if (file < 0) give_up("/proc/self/smaps cannot be read", errno);
  uint64_t total = 0;
  bool isCounted = false;
  size_t held = 0;
  for (;;) {
    ssize_t got = read(file, text + held, kMapsBytes - held);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    held += static_cast<size_t>(got);
    char* at = text;
    char* end = text + held;
    while (auto* lineEnd = static_cast<char*>(memchr(at, '\n', static_cast<size_t>(end - at)))) {
      *lineEnd = '\0';
      if ((*at >= '0' && *at <= '9') || (*at >= 'a' && *at <= 'f')) {
        char* rest = nullptr;
        uintptr_t low = strtoul(at, &rest, 16);
        uintptr_t high = strtoul(rest + 1, &rest, 16);
        const char* path = strchr(rest, '/');
        const char* special = strchr(rest, '[');
        isCounted = path == nullptr && (special == nullptr || strcmp(special, "[heap]") == 0) &&
                    rest[4] == 'p' && !own.has(low, high);
      } else if (isCounted && strncmp(at, "Rss:", 4) == 0) {
        total += strtoul(at + 4, nullptr, 10) * 1024;
      }
      at = lineEnd + 1;
    }
    held = static_cast<size_t>(end - at);
    if (held == kMapsBytes) break;
    memmove(text, at, held);
  }
  close(file);
  return total;
}

}  // namespace replay

#endif
