#include <errno.h>
#include <fcntl.h>
#include <linux/membarrier.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <time.h>

#include "../base.h"
#include "os.h"
#include "raw.h"

#ifndef RENAME_NOREPLACE
#define RENAME_NOREPLACE (1 << 0)
#endif

// The loader's note of the initial stack pointer; absent in other C libraries.
extern "C" __attribute__((weak)) void* __libc_stack_end;

namespace mp::os {
namespace {

using raw::call;
using raw::failed;
using raw::text;

int open_file(const char* path, int flags, int mode = 0) {
  return static_cast<int>(call(SYS_openat, AT_FDCWD, text(path), flags | O_CLOEXEC | O_NOFOLLOW, mode));
}

void close_file(int fd) { call(SYS_close, fd); }

uint64_t clock_ns(int clock) {
  timespec now{};
  // The C library's clock_gettime goes through the vDSO, allocates nothing and fails never here.
  clock_gettime(clock, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1000000000u + static_cast<uint64_t>(now.tv_nsec);
}

void* map_shared(int fd, size_t bytes, int* error) {
  long result = call(SYS_mmap, 0, static_cast<long>(bytes), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (failed(result)) {
    *error = static_cast<int>(result);
    return nullptr;
  }
  return reinterpret_cast<void*>(result);
}

}  // namespace

int pid() { return static_cast<int>(call(SYS_getpid)); }
int ppid() { return static_cast<int>(call(SYS_getppid)); }
int tid() { return static_cast<int>(call(SYS_gettid)); }
void yield() { call(SYS_sched_yield); }

void sleep_ns(uint64_t ns) {
  timespec duration{static_cast<time_t>(ns / 1000000000u), static_cast<long>(ns % 1000000000u)};
  call(SYS_nanosleep, reinterpret_cast<long>(&duration), 0);
}

uint64_t realtime_ns() { return clock_ns(CLOCK_REALTIME); }
uint64_t monotonic_ns() { return clock_ns(CLOCK_MONOTONIC); }

void thread_name(char name[16]) {
  memset(name, 0, 16);
  call(SYS_prctl, PR_GET_NAME, reinterpret_cast<long>(name));
}

void* map_anonymous(size_t bytes) {
  long result = call(SYS_mmap, 0, static_cast<long>(bytes), PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  return failed(result) ? nullptr : reinterpret_cast<void*>(result);
}

void unmap(void* address, size_t bytes) {
  call(SYS_munmap, reinterpret_cast<long>(address), static_cast<long>(bytes));
}

bool protect(uintptr_t address, size_t bytes, bool isWritable) {
  int protection = isWritable ? PROT_READ | PROT_WRITE : PROT_READ;
  return call(SYS_mprotect, static_cast<long>(address), static_cast<long>(bytes), protection) == 0;
}

bool populate(void* pages, size_t bytes) {
  constexpr long kPopulateWrite = 23;  // MADV_POPULATE_WRITE, which older headers lack
  long result;
  do {
    result = call(SYS_madvise, reinterpret_cast<long>(pages), static_cast<long>(bytes), kPopulateWrite);
  } while (result == -EINTR || result == -EAGAIN);
  return result == 0;
}

void* create_shared(const char* temporaryPath, size_t bytes, size_t reservedBytes, int* error) {
  int fd = open_file(temporaryPath, O_RDWR | O_CREAT | O_EXCL, 0600);
  if (fd < 0) {
    *error = fd;
    return nullptr;
  }
  long reserved;
  do {
    reserved = call(SYS_fallocate, fd, 0, 0, static_cast<long>(reservedBytes));
  } while (reserved == -EINTR);
  if (reserved == 0 && reservedBytes < bytes) reserved = call(SYS_ftruncate, fd, static_cast<long>(bytes));
  void* mapping = nullptr;
  if (reserved < 0) {
    *error = static_cast<int>(reserved);
  } else {
    mapping = map_shared(fd, bytes, error);
  }
  close_file(fd);
  if (mapping == nullptr) remove(temporaryPath);
  return mapping;
}

int create_file(const char* temporaryPath) {
  return open_file(temporaryPath, O_WRONLY | O_CREAT | O_EXCL, 0600);
}

int publish(const char* temporaryPath, const char* path) {
  long result = call(SYS_renameat2, AT_FDCWD, text(temporaryPath), AT_FDCWD, text(path), RENAME_NOREPLACE);
  if (result == -EINVAL || result == -ENOSYS) {
    // A file system without RENAME_NOREPLACE: link fails when the name is taken, as wanted.
    result = call(SYS_linkat, AT_FDCWD, text(temporaryPath), AT_FDCWD, text(path), 0);
    if (result == 0) remove(temporaryPath);
  }
  return static_cast<int>(result);
}

void remove(const char* path) { call(SYS_unlinkat, AT_FDCWD, text(path), 0); }

void* open_shared(const char* path, size_t bytes, int* error) {
  int fd = open_file(path, O_RDWR);
  if (fd < 0) {
    *error = fd;
    return nullptr;
  }
  struct stat status {};
  void* mapping = nullptr;
  if (call(SYS_fstat, fd, reinterpret_cast<long>(&status)) != 0 ||
      static_cast<size_t>(status.st_size) < bytes) {
    *error = -EINVAL;
  } else {
    mapping = map_shared(fd, bytes, error);
  }
  close_file(fd);
  return mapping;
}

bool exists(const char* path) {
  struct stat status {};
  return call(SYS_newfstatat, AT_FDCWD, text(path), reinterpret_cast<long>(&status), AT_SYMLINK_NOFOLLOW) ==
         0;
}

bool lock_is_free(const char* path) {
  int fd = open_file(path, O_RDONLY);
  if (fd < 0) return fd == -ENOENT || fd == -ENOTDIR;
  long result = call(SYS_flock, fd, LOCK_SH | LOCK_NB);
  close_file(fd);
  return result == 0;
}

bool register_for_barriers() {
  return call(SYS_membarrier, MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED, 0, 0) == 0;
}

long read_file(const char* path, char* buffer, size_t capacity) {
  int fd = static_cast<int>(call(SYS_openat, AT_FDCWD, text(path), O_RDONLY | O_CLOEXEC, 0));
  if (fd < 0) return fd;
  size_t done = 0;
  long got = 0;
  while (done < capacity) {
    got = call(SYS_read, fd, reinterpret_cast<long>(buffer + done), static_cast<long>(capacity - done));
    if (got == -EINTR) continue;
    if (got <= 0) break;
    done += static_cast<size_t>(got);
  }
  close_file(fd);
  return got < 0 ? got : static_cast<long>(done);
}

long read_link(const char* path, char* buffer, size_t capacity) {
  return call(SYS_readlinkat, AT_FDCWD, text(path), reinterpret_cast<long>(buffer),
              static_cast<long>(capacity));
}

long current_folder(char* buffer, size_t capacity) {
  // The kernel counts the closing NUL.
  long got = call(SYS_getcwd, reinterpret_cast<long>(buffer), static_cast<long>(capacity));
  return got > 0 ? got - 1 : got;
}

namespace {

// permission: its letter, at `column` of "rwxp".
bool range_with(char permission, int column, uintptr_t address, uintptr_t* low, uintptr_t* high) {
  int fd = static_cast<int>(call(SYS_openat, AT_FDCWD, text("/proc/self/maps"), O_RDONLY | O_CLOEXEC, 0));
  if (fd < 0) return false;
  // A line is "low-high rwxp ..."; only that much of it is kept, so a long path does no harm.
  char chunk[1024];
  uintptr_t bounds[2] = {0, 0};
  int field = 0;  // 0: low, 1: high, 2 to 5: permissions, 6: the rest of the line
  bool permitted = false;
  bool found = false;
  while (!found) {
    long got = call(SYS_read, fd, reinterpret_cast<long>(chunk), sizeof chunk);
    if (got == -EINTR) continue;
    if (got <= 0) break;
    for (long i = 0; i < got && !found; ++i) {
      char c = chunk[i];
      if (c == '\n') {
        found = permitted && address >= bounds[0] && address < bounds[1];
        if (!found) {
          bounds[0] = bounds[1] = 0;
          field = 0;
          permitted = false;
        }
      } else if (field < 2) {
        if (c == '-' || c == ' ') {
          ++field;
        } else {
          bounds[field] = bounds[field] * 16 + static_cast<uintptr_t>(c <= '9' ? c - '0' : c - 'a' + 10);
        }
      } else if (field < 6) {
        if (field - 2 == column) permitted = c == permission;
        ++field;
      }
    }
  }
  close_file(fd);
  if (found) {
    *low = bounds[0];
    *high = bounds[1];
  }
  return found;
}

}  // namespace

bool readable_range(uintptr_t address, uintptr_t* low, uintptr_t* high) {
  return range_with('r', 0, address, low, high);
}

bool executable_range(uintptr_t address, uintptr_t* low, uintptr_t* high) {
  return range_with('x', 2, address, low, high);
}

bool is_mapped(uintptr_t page) {
  unsigned char resident;
  return call(SYS_mincore, static_cast<long>(page), kPageBytes, reinterpret_cast<long>(&resident)) == 0;
}

uintptr_t initial_stack() {
  return &__libc_stack_end == nullptr ? 0 : reinterpret_cast<uintptr_t>(__libc_stack_end);
}

}  // namespace mp::os
