#include "heap.h"

#include <fcntl.h>
#include <string.h>

namespace memprof {

void HeapList::append(const HeapList& other) {
  const SpaceRow* space = other.spaces.begin();
  for (const IsolateRow& isolate : other.isolates) {
    if (isolates.room() == 0 || spaces.room() < isolate.spaceCount) return;
    IsolateRow row = isolate;
    row.spaceCount = 0;
    for (uint32_t i = 0; i < isolate.spaceCount; i++, space++) {
      if (spaces.push(*space)) row.spaceCount++;
    }
    isolates.push(row);
  }
}

HeapFigures heap_figures(const V8Api& v8, void* isolate) {
  HeapStatistics said{};
  v8.heapStatistics(isolate, &said);
  HeapFigures figures{};
  figures.totalBytes = said.totalBytes;
  figures.executableBytes = said.executableBytes;
  figures.physicalBytes = said.physicalBytes;
  figures.availableBytes = said.availableBytes;
  figures.usedBytes = said.usedBytes;
  figures.limitBytes = said.limitBytes;
  figures.mallocedBytes = said.mallocedBytes;
  figures.peakMallocedBytes = said.peakMallocedBytes;
  figures.externalBytes = said.externalBytes;
  // heapStatistics knows nothing of what addons announce: seen on Node 20, 22, 24 and 26. To add nothing says it.
  int64_t told = v8.adjustExternalMemory == nullptr ? -1 : v8.adjustExternalMemory(isolate, 0);
  figures.toldBytes = told < 0 ? MP_UNKNOWN_BYTES : static_cast<uint64_t>(told);
  figures.contextCount = said.contextCount;
  figures.detachedContextCount = said.detachedContextCount;
  figures.handleBytes = said.handleBytes;
  figures.usedHandleBytes = said.usedHandleBytes;
  return figures;
}

void add_isolate(const V8Api& v8, void* isolate, uint32_t number, uint32_t flags, const HeapFigures& before,
                 HeapList* list) {
  IsolateRow row{};
  row.before = before;
  row.after = heap_figures(v8, isolate);
  row.isolate = number;
  row.flags = flags;
  size_t count = v8.spaceCount == nullptr || v8.spaceStatistics == nullptr ? 0 : v8.spaceCount(isolate);
  for (size_t i = 0; i < count; i++) {
    SpaceStatistics said{};
    if (!v8.spaceStatistics(isolate, &said, i) || said.name == nullptr) continue;
    SpaceRow space{};
    strncpy(space.name, said.name, sizeof(space.name) - 1);
    space.committedBytes = said.committedBytes;
    space.usedBytes = said.usedBytes;
    space.availableBytes = said.availableBytes;
    space.physicalBytes = said.physicalBytes;
    if (list->spaces.push(space)) row.spaceCount++;
  }
  list->isolates.push(row);
}

// "total resident ...", in pages.
uint64_t resident_bytes() {
  char text[128];
  int fd = static_cast<int>(syscall(SYS_openat, AT_FDCWD, "/proc/self/statm", O_RDONLY | O_CLOEXEC, 0));
  if (fd < 0) return 0;
  long got = syscall(SYS_read, fd, text, sizeof(text) - 1);
  syscall(SYS_close, fd);
  if (got <= 0) return 0;
  text[got] = '\0';
  const char* at = strchr(text, ' ');
  uint64_t pages = 0;
  for (at = at == nullptr ? text + got : at + 1; *at >= '0' && *at <= '9'; at++)
    pages = pages * 10 + static_cast<uint64_t>(*at - '0');
  return pages * MP_PAGE;
}

}  // namespace memprof
