// Stands in for the shim: writes what the agent says into the file named by FAKE_SHIM_LOG, a line each.
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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
