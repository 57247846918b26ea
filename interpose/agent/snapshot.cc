#include "snapshot.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

namespace memprof {
namespace {

class FileStream final : public OutputStream {
 public:
  explicit FileStream(int fd) : fd_(fd) {}
  void end_of_stream() override { isWhole_ = true; }
  int chunk_size() override { return 1 << 16; }
  int write(char* bytes, int count) override {
    for (int done = 0; done < count;) {
      ssize_t written = ::write(fd_, bytes + done, static_cast<size_t>(count - done));
      if (written < 0 && errno == EINTR) continue;
      if (written <= 0) return 1;
      done += static_cast<int>(written);
    }
    return 0;
  }
  int write_stats(void*, int) override { return 1; }
  bool is_whole() const { return isWhole_; }

 private:
  int fd_;
  bool isWhole_ = false;
};

}  // namespace

bool write_heap_snapshot(const V8Api& v8, const char* path) {
  int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (fd < 0) return false;
  const void* snapshot = v8.takeSnapshot(v8.heapProfiler(v8.currentIsolate()), SnapshotOptions{});
  bool isWhole = false;
  if (snapshot != nullptr) {
    FileStream stream(fd);
    v8.serializeSnapshot(snapshot, &stream, 0);
    v8.deleteSnapshot(snapshot);
    isWhole = stream.is_whole();
  }
  close(fd);
  if (!isWhole) unlink(path);
  return isWhole;
}

}  // namespace memprof
