// Preloaded into every process of a measured run, in all variants alike: at the end of a process it
// writes what the process itself has used, USAGE_FOLDER/PID.json. It allocates nothing.
//
// The peak is VmHWM and not getrusage's, which a program inherits from the process that started it.
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

static pid_t loaded_pid;
static int is_measured;

/** The measured program is the one whose arguments are exactly those, joined by the unit separator. */
static int is_argv(int argc, char** argv, const char* expected) {
  for (int i = 0; i < argc; ++i) {
    size_t length = strlen(argv[i]);
    if (strncmp(expected, argv[i], length) != 0) return 0;
    expected += length;
    if (i + 1 < argc && *expected++ != '\x1f') return 0;
  }
  return *expected == 0;
}

__attribute__((constructor)) static void on_load(int argc, char** argv) {
  const char* expected = getenv("BENCH_ARGV");
  loaded_pid = getpid();
  is_measured = expected != NULL && is_argv(argc, argv, expected);
}

static int64_t nanoseconds(struct timeval time) {
  return (int64_t)time.tv_sec * 1000000000 + (int64_t)time.tv_usec * 1000;
}

static long peak_kibibytes(void) {
  char text[4096];
  int file = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
  if (file < 0) return 0;
  ssize_t length = read(file, text, sizeof text - 1);
  close(file);
  if (length <= 0) return 0;
  text[length] = 0;
  const char* line = strstr(text, "VmHWM:");
  return line == NULL ? 0 : strtol(line + 6, NULL, 10);
}

__attribute__((destructor)) static void on_end(void) {
  const char* folder = getenv("BENCH_USAGE_FOLDER");
  if (folder == NULL || getpid() != loaded_pid) return;
  struct rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  char path[512], text[512];
  snprintf(path, sizeof path, "%s/%d.json", folder, (int)loaded_pid);
  int length = snprintf(
      text, sizeof text,
      "{\"isMeasured\": %s, \"endNs\": %ld, \"userNs\": %ld, \"systemNs\": %ld, \"peakBytes\": %ld}\n",
      is_measured ? "true" : "false", (int64_t)now.tv_sec * 1000000000 + now.tv_nsec,
      nanoseconds(usage.ru_utime), nanoseconds(usage.ru_stime), peak_kibibytes() * 1024);
  int file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (file < 0) return;
  if (write(file, text, (size_t)length) != length) unlink(path);
  close(file);
}
