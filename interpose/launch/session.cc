#include "session.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <time.h>
#include <unistd.h>

#include "../wire.h"

namespace launch {
namespace {

// The same figures as there; a test compares what both write.
constexpr const char* kParent = "/dev/shm";
constexpr uint32_t kFirstRingBytes = 16u << 20;
constexpr uint32_t kRingBytes = 1u << 20;
constexpr uint32_t kMetaBytes = 1u << 20;
constexpr uint64_t kAmpleBytes = 480u << 20;

bool has_ample_room() {
  struct statfs status;
  if (statfs(kParent, &status) != 0) return false;
  return status.f_bavail * static_cast<uint64_t>(status.f_bsize) > kAmpleBytes;
}

// Of the file, open for both. The lock is flock's and the descriptor's: whoever has it keeps it.
bool write_header(int file, uint32_t flags) {
  union {
    SessionHeader header;
    char page[MP_PAGE];
  } whole;
  memset(&whole, 0, sizeof(whole));
  whole.header.magic = MP_WIRE_MAGIC_SESSION;
  whole.header.abi = MP_WIRE_ABI;
  whole.header.headerBytes = MP_PAGE;
  whole.header.readerPid = static_cast<uint32_t>(getpid());
  whole.header.flags = flags;
  whole.header.firstRingBytes = kFirstRingBytes;
  whole.header.ringBytes = kRingBytes;
  whole.header.metaBytes = kMetaBytes;
  whole.header.maxFrames = MP_MAX_FRAMES;
  return posix_fallocate(file, 0, MP_PAGE) == 0 && pwrite(file, &whole, MP_PAGE, 0) == MP_PAGE;
}

bool lock(int file) {
  // Who asks whether it is locked holds it for an instant.
  for (int tries = 0; tries < 5; ++tries) {
    if (flock(file, LOCK_EX | LOCK_NB) == 0) return true;
    if (errno != EWOULDBLOCK) return false;
    const timespec moment{0, 1000000};
    nanosleep(&moment, nullptr);
  }
  return false;
}

void remove_folder(const char* folder) {
  char file[PATH_MAX + 16];
  snprintf(file, sizeof(file), "%s/session", folder);
  unlink(file);
  rmdir(folder);
}

}  // namespace

bool make_session(uint32_t flags, Session* session) {
  uint64_t random;
  if (!has_ample_room() || getrandom(&random, sizeof(random), 0) != sizeof(random)) return false;
  // Under a dot name until it is locked, so that no sweep takes it for a dead one.
  char temporary[PATH_MAX];
  snprintf(temporary, sizeof(temporary), "%s/.memprof-%u-%d-%012llx", kParent, getuid(), getpid(),
           static_cast<unsigned long long>(random & 0xffffffffffff));
  snprintf(session->folder, sizeof(session->folder), "%s/%s", kParent, strrchr(temporary, '/') + 2);
  if (mkdir(temporary, 0700) != 0) return false;
  char file[PATH_MAX + 16];
  snprintf(file, sizeof(file), "%s/session", temporary);
  session->lock = open(file, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (session->lock >= 0 && write_header(session->lock, flags) && lock(session->lock) &&
      rename(temporary, session->folder) == 0)
    return true;
  if (session->lock >= 0) close(session->lock);
  session->lock = -1;
  remove_folder(temporary);
  return false;
}

void remove_session(Session* session) {
  remove_folder(session->folder);
  close(session->lock);
  session->lock = -1;
}

}  // namespace launch
