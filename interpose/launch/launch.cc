// memprof-run, as it is installed. What takes time before the program can start is Node starting for
// memprof's own sake. So where the command line is plain, the program can certainly be traced, and no terminal
// is there whose settings Node would save and restore, the program is started here, and then this process
// becomes memprof-run's Node, the program's parent still: src/record/launch-adopt.ts takes it over. Everything
// else (other options, scripts, mistakes) is left to Node from the start; nothing here prints or refuses.
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "program.h"
#include "session.h"
#include "words.h"

extern char** environ;

namespace launch {
namespace {

constexpr const char* kHandOver = "MEMPROF_LAUNCHED";

struct Package {
  char shim[PATH_MAX];
  char agent[PATH_MAX];
  char reader[PATH_MAX];
};

// This file is <package>/build/Release/memprof-run.
bool find_package(Package* package) {
  char root[PATH_MAX];
  const ssize_t length = readlink("/proc/self/exe", root, sizeof(root) - 1);
  if (length <= 0) return false;
  root[length] = '\0';
  for (int level = 0; level < 3; ++level) {
    char* slash = strrchr(root, '/');
    if (slash == nullptr) return false;
    *slash = '\0';
  }
  const auto in_package = [&root](char* path, const char* name) {
    return snprintf(path, PATH_MAX, "%s/%s", root, name) < PATH_MAX;
  };
  return in_package(package->shim, "build/Release/libmemprof.so") &&
         in_package(package->agent, "src/agent/agent.cjs") &&
         in_package(package->reader, "dist/bin/memprof-run.cjs");
}

bool is_blank(const char* text) { return text == nullptr || text[strspn(text, " \t\r\n\v\f")] == '\0'; }

// What the loader and Node would take for more than a path is left to src/record/launch-environment.ts.
bool is_plain_path(const char* path) { return strpbrk(path, " \t\r\n\v\f:$\"\\") == nullptr; }

bool set_joined(const char* name, const char* format, const char* ours, const char* users) {
  char* value = nullptr;
  if (asprintf(&value, format, ours, users) < 0) return false;
  const bool isSet = setenv(name, value, 1) == 0;
  free(value);
  return isSet;
}

// As tracedEnvironment() in launch-environment.ts.
bool set_traced_environment(const Package& package, const char* folder) {
  const char* preload = getenv("LD_PRELOAD");
  const char* options = getenv("NODE_OPTIONS");
  return setenv("MEMPROF_SESSION", folder, 1) == 0 &&
         set_joined("LD_PRELOAD", is_blank(preload) ? "%s" : "%s:%s", package.shim, preload) &&
         set_joined("NODE_OPTIONS", is_blank(options) ? "--require \"%s\"" : "--require \"%s\" %s",
                    package.agent, options);
}

// Open, so that nothing of ours takes its place, and no terminal: see above.
bool is_plain_stream(int descriptor) { return fcntl(descriptor, F_GETFD) >= 0 && !isatty(descriptor); }

// Keeps nothing open but two descriptors, which become 0 and 1.
void close_all_but(int first, int second) {
  // Out of each other's way.
  first = fcntl(first, F_DUPFD, 3);
  second = fcntl(second, F_DUPFD, 3);
  dup2(first, 0);
  dup2(second, 1);
  if (syscall(SYS_close_range, 2u, ~0u, 0u) == 0) return;
  const long most = sysconf(_SC_OPEN_MAX);
  for (int descriptor = 2; descriptor < most && descriptor < 1 << 16; ++descriptor) close(descriptor);
}

// Until Node has its signal handlers in place, a signal ends it and leaves the program alone. A small process
// watches until then: if the pipe ends before a byte came, it passes the end on. Its pid; -1: there is none.
pid_t start_guard(pid_t program, int* toGuard) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return -1;
  const int handle = static_cast<int>(syscall(SYS_pidfd_open, program, 0u));
  const pid_t guard = handle < 0 ? -1 : fork();
  if (guard == 0) {
    prctl(PR_SET_NAME, "memprof-guard");
    close_all_but(ends[0], handle);
    char ready;
    ssize_t got;
    do got = read(0, &ready, 1);
    while (got < 0 && errno == EINTR);
    if (got == 0) syscall(SYS_pidfd_send_signal, 1, SIGTERM, nullptr, 0u);
    _exit(0);
  }
  if (handle >= 0) close(handle);
  close(ends[0]);
  if (guard < 0) {
    close(ends[1]);
    return -1;
  }
  *toGuard = ends[1];
  return guard;
}

void survive_exec(int descriptor) { fcntl(descriptor, F_SETFD, 0); }

// The environment that this process itself goes on with: memprof's own Node is never traced.
struct OwnEnvironment {
  char* preload;
  char* options;
  char* session;

  static char* copy(const char* name) {
    const char* value = getenv(name);
    return value == nullptr ? nullptr : strdup(value);
  }
  static void put(const char* name, const char* value) {
    if (value == nullptr)
      unsetenv(name);
    else
      setenv(name, value, 1);
  }
  OwnEnvironment()
      : preload(copy("LD_PRELOAD")), options(copy("NODE_OPTIONS")), session(copy("MEMPROF_SESSION")) {}
  void restore() const {
    put("LD_PRELOAD", preload);
    put("NODE_OPTIONS", options);
    put("MEMPROF_SESSION", session);
  }
};

void start_program(char** argv, const Package& package) {
  Words words;
  Session session;
  char program[PATH_MAX];
  if (!is_plain_stream(0) || !is_plain_stream(1) || !is_plain_stream(2)) return;
  if (!parse_words(argv, &words)) return;
  if (!is_plain_path(package.shim) || !is_plain_path(package.agent)) return;
  if (access(package.shim, R_OK) != 0 || access(package.agent, R_OK) != 0) return;
  if (!find_program(words.program[0], program) || !is_preloadable(program)) return;
  const bool hasTrace = words.output == nullptr || strcmp(words.output, "/dev/null") != 0;
  if (words.output != nullptr && hasTrace) {
    const bool isPattern = strstr(words.output, "%p") != nullptr;
    if (words.output[0] == '\0' || (!isPattern && !is_free(words.output, words.isForced))) return;
  }
  if (hasTrace && !can_write_beside(words.output)) return;
  if (!make_session(words.sessionFlags, &session)) return;

  // If it is ignored, a program that ends at once leaves no status.
  signal(SIGCHLD, SIG_DFL);
  const OwnEnvironment own;
  pid_t pid = -1;
  const bool isStarted = set_traced_environment(package, session.folder) &&
                         posix_spawn(&pid, program, nullptr, nullptr, words.program, environ) == 0;
  own.restore();
  if (!isStarted) {
    remove_session(&session);
    return;
  }
  int toGuard = -1;
  const pid_t guard = start_guard(pid, &toGuard);
  char handOver[PATH_MAX + 64];
  snprintf(handOver, sizeof(handOver), "%d %d %d %d %s", pid, guard, toGuard, session.lock, session.folder);
  setenv(kHandOver, handOver, 1);
  survive_exec(session.lock);
  if (toGuard >= 0) survive_exec(toGuard);
  // With it, Node 20 parses all certificates that it knows before it runs anything (40 ms), and memprof's own makes
  // no connection but to debuginfod.
  if (is_blank(getenv("DEBUGINFOD_URLS"))) unsetenv("NODE_EXTRA_CA_CERTS");
}

}  // namespace
}  // namespace launch

int main(int argc, char** argv) {
  using namespace launch;
  unsetenv(kHandOver);
  Package package;
  char node[PATH_MAX];
  if (!find_package(&package)) {
    fprintf(stderr, "memprof-run: it cannot tell where it is installed: /proc is not mounted. Mount it.\n");
    return 125;
  }
  if (!find_program("node", node)) {
    fprintf(stderr,
            "memprof-run: node: command not found. memprof-run itself needs it: put it on the PATH.\n");
    return 127;
  }
  if (access(package.reader, R_OK) == 0) start_program(argv, package);
  auto** words = static_cast<char**>(calloc(static_cast<size_t>(argc) + 3, sizeof(char*)));
  if (words == nullptr) return 125;
  words[0] = const_cast<char*>("node");
  // Nearly all that memprof's own start allocates stays: collecting it at 1, 2 and 4 MiB is work for nothing.
  words[1] = const_cast<char*>("--min-semi-space-size=16");
  words[2] = package.reader;
  for (int i = 1; i < argc; ++i) words[i + 2] = argv[i];
  execv(node, words);
  // The guard ends the program if one was started.
  fprintf(stderr, "memprof-run: %s could not be started: %s.\n", node, strerror(errno));
  return 126;
}
