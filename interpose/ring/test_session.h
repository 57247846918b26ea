// For unit tests: a session of this very process, with its lock held, as memprof-run makes one.
#ifndef MEMPROF_RING_TEST_SESSION_H
#define MEMPROF_RING_TEST_SESSION_H

#include <fcntl.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <string>

#include "../wire.h"
#include "process.h"
#include "thread.h"

namespace mp::test {

class Session {
 public:
  explicit Session(uint32_t ringBytes) {
    char name[] = "/dev/shm/memprof-unit-XXXXXX";
    if (mkdtemp(name) == nullptr) abort();
    folder_ = name;
    SessionHeader header{};
    header.magic = MP_WIRE_MAGIC_SESSION;
    header.abi = MP_WIRE_ABI;
    header.headerBytes = MP_PAGE;
    header.firstRingBytes = ringBytes;
    header.ringBytes = ringBytes;
    header.metaBytes = 1u << 20;
    header.maxFrames = MP_MAX_FRAMES;
    fd_ = open((folder_ + "/session").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (ftruncate(fd_, MP_PAGE) != 0 || pwrite(fd_, &header, sizeof header, 0) != sizeof header) abort();
    flock(fd_, LOCK_EX);
    setenv("MEMPROF_SESSION", folder_.c_str(), 1);
  }
  ~Session() {
    close(fd_);
    std::filesystem::remove_all(folder_);
  }

 private:
  std::string folder_;
  int fd_;
};

// One for the whole test program: a process joins once.
inline void join() {
  static Session session(1u << 16);
  ASSERT_NE(thread::current(), nullptr);
}

}  // namespace mp::test

#endif
