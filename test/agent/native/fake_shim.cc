// Stands in for the shim: writes what the agent says into the file named by FAKE_SHIM_LOG, a line each. Of
// checkpoints all, where there is a session file.
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../../interpose/scan/request.h"

namespace {
void write_line(const char* text, size_t bytes) {
  const char* path = getenv("FAKE_SHIM_LOG");
  if (path == nullptr) return;
  int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) return;
  if (write(fd, text, bytes) < 0) abort();
  close(fd);
}
}  // namespace

#define EXPORTED extern "C" __attribute__((visibility("default")))

EXPORTED void memprof_mark(uint32_t kind, uint64_t value, const char*) {
  char line[96];
  int length = snprintf(line, sizeof(line), "mark %u how=%u code=%u\n", kind, static_cast<unsigned>(value >> 32),
                        static_cast<unsigned>(value));
  write_line(line, static_cast<size_t>(length));
}

EXPORTED void memprof_agent_info(const char* json, size_t bytes) {
  char line[4096];
  int length = snprintf(line, sizeof(line), "info %.*s\n", static_cast<int>(bytes), json);
  write_line(line, static_cast<size_t>(length));
}

EXPORTED void memprof_attach_isolate(void) { write_line("attach\n", 7); }

EXPORTED uint32_t memprof_checkpoint(const MpCheckpointRequest* request) {
  static uint32_t number = 0;
  char line[1024];
  int length = snprintf(line, sizeof(line), "checkpoint %u reason=%u owners=%u rows=%u heap=%d\n", number + 1,
                        request->reason, request->ownerState, request->rowCount, request->heapUsedBytes > 0);
  write_line(line, static_cast<size_t>(length));
  for (uint32_t i = 0; i < request->rowCount; i++) {
    const OwnerRow& row = request->rows[i];
    length = snprintf(line, sizeof(line), "owner %llx | %llu | %s | %u | %u | %u | %llu\n",
                      static_cast<unsigned long long>(row.address), static_cast<unsigned long long>(row.sizeBytes),
                      request->strings + row.className, row.kind, row.object, row.isolate,
                      static_cast<unsigned long long>(row.snapshotId));
    write_line(line, static_cast<size_t>(length));
  }
  return ++number;
}

EXPORTED size_t memprof_next_checkpoint_path(char* buffer, size_t capacity) {
  const char* folder = getenv("MEMPROF_SESSION");
  int length = snprintf(buffer, capacity, "%s/p%d.0.k1", folder == nullptr ? "" : folder, getpid());
  return length > 0 && static_cast<size_t>(length) < capacity ? static_cast<size_t>(length) : 0;
}

EXPORTED uint32_t memprof_drain_finalizers(void) {
  write_line("drain\n", 6);
  return 0;
}
