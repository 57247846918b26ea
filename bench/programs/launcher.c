// launcher RESULT SECONDS MEMORY_BYTES PROBE EXPECTED_ARGV USAGE_FOLDER -- COMMAND...
//
// Runs a command to the end of its last process and writes what it cost as JSON. Node can not ask for the
// CPU of children of children, and a shell or time(1) does not see processes that nobody waits for: this
// one is the reaper of all of them. MEMORY_BYTES limits the address space of each process; 0: no limit.
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static volatile sig_atomic_t is_overdue;
static pid_t command_pid;

/** Time is up, or the benchmark itself was stopped: the command is a group of its own and would go on. */
static void stop(int signal) {
  is_overdue = signal == SIGALRM;
  kill(-command_pid, SIGKILL);
}

static int64_t monotonic_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static int64_t nanoseconds(struct timeval time) {
  return (int64_t)time.tv_sec * 1000000000 + (int64_t)time.tv_usec * 1000;
}

static void become(char** argv) {
  setpgid(0, 0);
  setenv("LD_PRELOAD", argv[4], 1);
  setenv("BENCH_ARGV", argv[5], 1);
  setenv("BENCH_USAGE_FOLDER", argv[6], 1);
  rlim_t memory_bytes = strtoull(argv[3], NULL, 10);
  if (memory_bytes != 0) setrlimit(RLIMIT_AS, &(struct rlimit){memory_bytes, memory_bytes});
  execvp(argv[8], argv + 8);
  _exit(127);
}

int main(int argc, char** argv) {
  if (argc < 9 || strcmp(argv[7], "--") != 0) return 2;
  prctl(PR_SET_CHILD_SUBREAPER, 1);
  int64_t begin_ns = monotonic_ns();
  command_pid = fork();
  if (command_pid == 0) become(argv);
  setpgid(command_pid, command_pid);
  for (int i = 0; i < 4; ++i) signal((int[]){SIGALRM, SIGINT, SIGTERM, SIGHUP}[i], stop);
  prctl(PR_SET_PDEATHSIG, SIGTERM);
  alarm((unsigned)atoi(argv[2]));

  int command_status = 0;
  int64_t command_end_ns = 0;
  for (;;) {
    int status;
    pid_t pid = wait(&status);
    if (pid == command_pid) {
      command_status = status;
      command_end_ns = monotonic_ns();
    }
    if (pid < 0 && errno != EINTR) break;
  }
  int64_t end_ns = monotonic_ns();

  struct rusage usage;
  getrusage(RUSAGE_CHILDREN, &usage);
  FILE* result = fopen(argv[1], "w");
  if (result == NULL) return 1;
  fprintf(result,
          "{\"beginNs\": %ld, \"commandEndNs\": %ld, \"endNs\": %ld, \"userNs\": %ld, \"systemNs\": %ld, "
          "\"code\": %d, \"signal\": %d, \"isOverdue\": %s}\n",
          begin_ns, command_end_ns, end_ns, nanoseconds(usage.ru_utime), nanoseconds(usage.ru_stime),
          WIFEXITED(command_status) ? WEXITSTATUS(command_status) : -1,
          WIFSIGNALED(command_status) ? WTERMSIG(command_status) : 0, is_overdue ? "true" : "false");
  return fclose(result) == 0 ? 0 : 1;
}
