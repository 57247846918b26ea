#include "memory.h"

#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <string.h>
#include <sys/uio.h>
#include <time.h>

#include <algorithm>

namespace memprof {
namespace {

constexpr int kChunkShift = 18;

const char* parse_hex(const char* at, const char* end, uintptr_t* value) {
  *value = 0;
  for (; at < end; at++) {
    int digit;
    if (*at >= '0' && *at <= '9') {
      digit = *at - '0';
    } else if (*at >= 'a' && *at <= 'f') {
      digit = *at - 'a' + 10;
    } else {
      break;
    }
    *value = *value << 4 | static_cast<uintptr_t>(digit);
  }
  return at;
}

}  // namespace

bool ReadableRanges::load() {
  int fd = static_cast<int>(syscall(SYS_openat, AT_FDCWD, "/proc/self/maps", O_RDONLY | O_CLOEXEC, 0));
  if (fd < 0) return false;
  Pages<char> text;
  char piece[4096];
  long got;
  while ((got = syscall(SYS_read, fd, piece, sizeof(piece))) > 0) {
    for (long i = 0; i < got; i++) {
      if (!text.push(piece[i])) break;
    }
  }
  syscall(SYS_close, fd);
  if (got < 0) return false;
  const char* at = text.begin();
  const char* end = text.end();
  while (at < end) {
    const char* line = static_cast<const char*>(memchr(at, '\n', static_cast<size_t>(end - at)));
    const char* next = line == nullptr ? end : line + 1;
    Range range;
    at = parse_hex(at, end, &range.low);
    at = parse_hex(at + 1, end, &range.high);
    // " r--p offset device inode path": devices' memory may do something when it is read.
    bool isDevice = line != nullptr && memmem(at, static_cast<size_t>(line - at), "/dev/", 5) != nullptr;
    if (at + 1 < end && at[1] == 'r' && !isDevice) {
      size_t count = ranges_.count();
      if (count > 0 && ranges_[count - 1].high == range.low) {
        ranges_[count - 1].high = range.high;
      } else if (!ranges_.push(range)) {
        return false;
      }
    }
    at = next;
  }
  return ranges_.count() > 0;
}

bool ReadableRanges::has(uintptr_t address, size_t bytes) {
  uintptr_t chunk = address >> kChunkShift;
  if (chunk == 0) return false;
  uintptr_t& kept = chunks_[chunk & 4095];
  if (kept == chunk && (address + bytes - 1) >> kChunkShift == chunk) return true;
  const Range* found =
      std::upper_bound(ranges_.begin(), ranges_.end(), address,
                       [](uintptr_t wanted, const Range& range) { return wanted < range.low; });
  if (found == ranges_.begin()) return false;
  const Range& range = found[-1];
  if (address >= range.high || bytes > range.high - address) return false;
  if (chunk << kChunkShift >= range.low && (chunk + 1) << kChunkShift <= range.high) kept = chunk;
  return true;
}

bool copy_memory(uintptr_t address, void* into, size_t bytes, ReadableRanges& ranges) {
  iovec local{into, bytes};
  iovec remote{reinterpret_cast<void*>(address), bytes};
  long got = syscall(SYS_process_vm_readv, getpid(), &local, 1, &remote, 1, 0);
  if (got == static_cast<long>(bytes)) return true;
  if (got >= 0 || errno == EFAULT) return false;
  if (!ranges.has(address, bytes)) return false;
  memcpy(into, reinterpret_cast<const void*>(address), bytes);
  return true;
}

void copy_pieces(const uintptr_t* addresses, size_t count, size_t bytes, char* into, bool* isRead,
                 ReadableRanges& ranges) {
  constexpr size_t kAtOnce = 1024;  // UIO_MAXIOV
  iovec remote[kAtOnce], local[kAtOnce];
  size_t index[kAtOnce];
  for (size_t next = 0; next < count;) {
    size_t wanted = 0;
    for (; next < count && wanted < kAtOnce; next++) {
      isRead[next] = false;
      if (addresses[next] == 0) continue;
      remote[wanted] = {reinterpret_cast<void*>(addresses[next]), bytes};
      local[wanted] = {into + next * bytes, bytes};
      index[wanted++] = next;
    }
    for (size_t done = 0; done < wanted; done++) {
      // It stops before the first piece that it cannot read whole.
      long got = syscall(SYS_process_vm_readv, getpid(), local + done, wanted - done, remote + done,
                         wanted - done, 0);
      for (; got >= static_cast<long>(bytes); got -= static_cast<long>(bytes)) isRead[index[done++]] = true;
      if (done == wanted) break;
      isRead[index[done]] = copy_memory(addresses[index[done]], local[done].iov_base, bytes, ranges);
    }
  }
}

bool image_range(const void* symbol, uintptr_t* low, uintptr_t* high) {
  struct Search {
    uintptr_t wanted, low, high;
  } search{reinterpret_cast<uintptr_t>(symbol), 0, 0};
  int found = dl_iterate_phdr(
      [](dl_phdr_info* info, size_t, void* data) {
        Search& mine = *static_cast<Search*>(data);
        uintptr_t first = UINTPTR_MAX, last = 0;
        for (int i = 0; i < info->dlpi_phnum; i++) {
          const ElfW(Phdr)& part = info->dlpi_phdr[i];
          if (part.p_type != PT_LOAD) continue;
          first = std::min<uintptr_t>(first, info->dlpi_addr + part.p_vaddr);
          last = std::max<uintptr_t>(last, info->dlpi_addr + part.p_vaddr + part.p_memsz);
        }
        if (mine.wanted < first || mine.wanted >= last) return 0;
        mine.low = first;
        mine.high = last;
        return 1;
      },
      &search);
  *low = search.low;
  *high = search.high;
  return found == 1;
}

uint64_t clock_ns(clockid_t clock) {
  timespec now;
  if (clock_gettime(clock, &now) != 0) return 0;
  return static_cast<uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(now.tv_nsec);
}

uint64_t monotonic_ns() { return clock_ns(CLOCK_MONOTONIC); }
uint64_t processor_ns() { return clock_ns(CLOCK_THREAD_CPUTIME_ID); }

}  // namespace memprof
