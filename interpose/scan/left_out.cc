#include "left_out.h"

#include <fcntl.h>
#include <sys/mman.h>

#include "../os/os.h"
#include "../os/raw.h"
#include "../ring/process.h"
#include "../text.h"

namespace mp::scan {
namespace {

using os::raw::call;

constexpr size_t kMaxRanges = 1u << 16;
constexpr size_t kTextBytes = 1u << 16;

struct Range {
  uintptr_t low, high;
};
struct Desk {
  size_t count;
  Range ranges[kMaxRanges];
  char text[kTextBytes];
};
Desk* g_desk = nullptr;  // kept from the first checkpoint on; pages that are not used cost nothing

bool begins(const char* line, const char* end, const char* word) {
  size_t length = strlen(word);
  return static_cast<size_t>(end - line) >= length && memcmp(line, word, length) == 0;
}

// /proc/self/smaps: a mapping's line as in maps, then lines "Name: value"; the last is "VmFlags: rd wr dc ...",
// where "dc" is what MADV_DONTFORK sets.
class Reader {
 public:
  explicit Reader(Desk* desk) : desk_(desk) {}

  void line(const char* at, const char* end) {
    if (begins(at, end, "VmFlags:")) {
      for (const char* flag = at + 8; flag + 3 <= end; flag += 3) {
        if (flag[0] == ' ' && flag[1] == 'd' && flag[2] == 'c') keep();
      }
      return;
    }
    // Only a mapping's line begins with a digit or a small letter.
    if (at == end || (*at >= 'A' && *at <= 'Z')) return;
    Range range{};
    range.low = parse_hex(&at, end);
    if (at == end || *at++ != '-') return;
    range.high = parse_hex(&at, end);
    isCopied_ = end - at >= 5 && at[0] == ' ' && at[1] == 'r' && at[2] == 'w' && at[4] == 'p';
    range_ = range;
  }

 private:
  void keep() {
    if (isCopied_ && desk_->count < kMaxRanges) desk_->ranges[desk_->count++] = range_;
  }

  Desk* desk_;
  Range range_{};
  bool isCopied_ =
      false;  // private and writable: what is only reserved costs the fork nothing and says nothing
};

// The same text for the reader, as a file of the session.
class Kept {
 public:
  explicit Kept(uint32_t checkpoint) : checkpoint_(checkpoint), file_(open_part('v', checkpoint)) {}
  void add(const char* text, size_t bytes) {
    while (file_ >= 0 && bytes > 0) {
      long written = call(SYS_write, file_, os::raw::pointer(text), static_cast<long>(bytes));
      if (written <= 0) {
        isWhole_ = false;
        return;
      }
      text += written;
      bytes -= static_cast<size_t>(written);
    }
  }
  void close() {
    if (file_ < 0) return;
    call(SYS_close, file_);
    if (isWhole_)
      publish_part('v', checkpoint_);
    else
      drop_part('v', checkpoint_);
  }

 private:
  uint32_t checkpoint_;
  int file_;
  bool isWhole_ = true;
};

void find_ranges(Desk* desk, uint32_t checkpoint) {
  desk->count = 0;
  long file = call(SYS_openat, AT_FDCWD, os::raw::text("/proc/self/smaps"), O_RDONLY | O_CLOEXEC, 0);
  if (os::raw::failed(file)) return;
  Reader reader(desk);
  Kept kept(checkpoint);
  size_t held = 0;
  for (;;) {
    long got =
        call(SYS_read, file, os::raw::pointer(desk->text + held), static_cast<long>(kTextBytes - held));
    if (got <= 0) break;
    kept.add(desk->text + held, static_cast<size_t>(got));
    held += static_cast<size_t>(got);
    const char* at = desk->text;
    const char* end = desk->text + held;
    while (const auto* lineEnd = static_cast<const char*>(memchr(at, '\n', static_cast<size_t>(end - at)))) {
      reader.line(at, lineEnd);
      at = lineEnd + 1;
    }
    held = static_cast<size_t>(end - at);
    // A line that fills it all is none of the kernel's.
    if (held == kTextBytes) break;
    memmove(desk->text, at, held);
  }
  call(SYS_close, file);
  kept.close();
}

void advise(int advice) {
  if (g_desk == nullptr) return;
  for (size_t i = 0; i < g_desk->count; ++i) {
    const Range& range = g_desk->ranges[i];
    call(SYS_madvise, static_cast<long>(range.low), static_cast<long>(range.high - range.low), advice);
  }
}

}  // namespace

void copy_what_is_left_out(uint32_t checkpoint) {
  if (g_desk == nullptr) g_desk = static_cast<Desk*>(map_pages(sizeof(Desk)));
  if (g_desk == nullptr) return;
  find_ranges(g_desk, checkpoint);
  advise(MADV_DOFORK);
}

void leave_out_again() { advise(MADV_DONTFORK); }

}  // namespace mp::scan
