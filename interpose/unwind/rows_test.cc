#include "rows.h"

#include <gtest/gtest.h>
#include <link.h>
#include <sys/mman.h>
#include <unistd.h>

#include <random>
#include <vector>

namespace mp::unwind {
namespace {

struct Image {
  Table table{};
  std::vector<std::pair<uintptr_t, uintptr_t>> code;
};

int collect(dl_phdr_info* info, size_t, void* context) {
  Image image;
  uintptr_t low = UINTPTR_MAX;
  for (int i = 0; i < info->dlpi_phnum; ++i) {
    const ElfW(Phdr)& header = info->dlpi_phdr[i];
    uintptr_t start = info->dlpi_addr + header.p_vaddr;
    if (header.p_type == PT_GNU_EH_FRAME) image.table.header = start;
    if (header.p_type == PT_LOAD) {
      low = std::min(low, start);
      if ((header.p_flags & PF_X) != 0) image.code.emplace_back(start, start + header.p_memsz);
    }
  }
  for (int i = 0; i < info->dlpi_phnum; ++i) {
    const ElfW(Phdr)& header = info->dlpi_phdr[i];
    uintptr_t start = info->dlpi_addr + header.p_vaddr;
    if (header.p_type == PT_LOAD && image.table.header >= start &&
        image.table.header < start + header.p_memsz) {
      image.table.end = start + header.p_memsz;
    }
  }
  image.table.imageLow = low;
  static_cast<std::vector<Image>*>(context)->push_back(image);
  return 0;
}

std::vector<Image> images() {
  std::vector<Image> all;
  dl_iterate_phdr(collect, &all);
  return all;
}

TEST(Rows, NearlyAllCodeOfTheLoadedLibrariesHasARowThisUnwinderKnows) {
  size_t known = 0;
  size_t covered = 0;
  for (const Image& image : images()) {
    if (image.table.end == 0) continue;
    for (auto [low, high] : image.code) {
      for (uintptr_t at = low; at < high; at += 61) {
        bool found = false;
        Row row = find_row(image.table, at, &found);
        if (!found) continue;
        ++covered;
        known += row.cfa != Cfa::kNone;
      }
    }
  }
  ASSERT_GT(covered, 10000u);
  // PLT stubs (a CFA that depends on rip) and a few prologues are the rest; neither holds a call.
  EXPECT_GT(static_cast<double>(known) / static_cast<double>(covered), 0.99);
}

TEST(Rows, AnAddressOutsideEveryFunctionIsNotFound) {
  for (const Image& image : images()) {
    if (image.table.end == 0) continue;
    bool found = true;
    find_row(image.table, 0, &found);
    EXPECT_FALSE(found);
    find_row(image.table, image.table.end + (1u << 30), &found);
    EXPECT_FALSE(found);
  }
}

// The table lies at the very end of readable memory: one byte too far and the test dies.
class GuardedCopy {
 public:
  explicit GuardedCopy(size_t bytes) : bytes_((bytes + 4095) & ~size_t{4095}) {
    base_ = static_cast<uint8_t*>(
        mmap(nullptr, bytes_ + 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    mprotect(base_ + bytes_, 4096, PROT_NONE);
  }
  ~GuardedCopy() { munmap(base_, bytes_ + 4096); }
  uint8_t* begin() const { return base_; }
  uint8_t* end() const { return base_ + bytes_; }

 private:
  size_t bytes_;
  uint8_t* base_;
};

TEST(Rows, DamagedTablesAreReadWithoutLeavingThem) {
  // Small and whole: the test program's own table, from its header to its end.
  Image own;
  for (const Image& image : images()) {
    auto here = reinterpret_cast<uintptr_t>(&collect);
    for (auto [low, high] : image.code) {
      if (here >= low && here < high) own = image;
    }
  }
  ASSERT_NE(own.table.end, 0u);
  size_t bytes = std::min<size_t>(own.table.end - own.table.header, 256 * 1024) & ~size_t{7};
  GuardedCopy copy(bytes);
  uint8_t* start = copy.end() - bytes;
  std::mt19937 random(20260101);
  for (int round = 0; round < 300; ++round) {
    memcpy(start, reinterpret_cast<const void*>(own.table.header), bytes);
    int flips = 1 + static_cast<int>(random() % 64);
    for (int i = 0; i < flips; ++i) {
      // Half of them in the header and its first pairs, where they lead furthest astray.
      size_t at = (i & 1) != 0 ? random() % bytes : random() % 64;
      start[at] = static_cast<uint8_t>(random());
    }
    auto header = reinterpret_cast<uintptr_t>(start);
    Table table{header, header + bytes, header};
    for (int i = 0; i < 200; ++i) {
      bool found = false;
      uintptr_t spread = own.code.front().second - own.code.front().first;
      uintptr_t address = header - own.table.header + own.code.front().first + random() % spread;
      find_row(table, address, &found);
    }
  }
}

TEST(Rows, RandomBytesAreNoTable) {
  GuardedCopy copy(4096);
  std::mt19937_64 random(7);
  for (int round = 0; round < 20000; ++round) {
    size_t bytes = 16 + random() % 512;
    uint8_t* start = copy.end() - bytes;
    for (size_t i = 0; i < bytes; ++i) start[i] = static_cast<uint8_t>(random());
    // A plausible beginning, so that the search goes deeper than the version check.
    const uint8_t head[4] = {1, 0x1b, 0x03, 0x3b};
    memcpy(start, head, sizeof head);
    auto header = reinterpret_cast<uintptr_t>(start);
    bool found = false;
    find_row(Table{header, header + bytes, header}, header + random() % 4096, &found);
  }
}

}  // namespace
}  // namespace mp::unwind
