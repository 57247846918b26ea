#include "sheet.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "../os/raw.h"

namespace mp::scan {
namespace {

struct File {
  char* start;
  size_t bytes;
  template <typename Cell>
  bool column(uint64_t offset, uint32_t count, Cell** cells) const {
    if (offset % 8 != 0 || offset > bytes || (bytes - offset) / sizeof(Cell) < count) return false;
    *cells = reinterpret_cast<Cell*>(start + offset);
    return true;
  }
};

}  // namespace

bool open_sheet(BlocksHeader* header, size_t bytes, Sheet* sheet) {
  if (bytes < MP_PAGE || header->magic != MP_WIRE_MAGIC_BLOCKS || header->abi != MP_WIRE_ABI ||
      header->headerBytes != MP_PAGE) {
    return false;
  }
  File file{reinterpret_cast<char*>(header), bytes};
  uint32_t count = header->blockCount;
  uint64_t* address = nullptr;
  uint64_t* size = nullptr;
  uint8_t* flags = nullptr;
  ScanRange* ranges = nullptr;
  Columns& columns = sheet->columns;
  columns.count = count;
  bool fits = count < (1u << 31) && file.column(header->addressOffset, count, &address) &&
              file.column(header->sizeOffset, count, &size) &&
              file.column(header->flagOffset, count, &flags) &&
              file.column(header->rangeOffset, header->rangeCount, &ranges) &&
              file.column(header->reachOffset, count, &columns.reach) &&
              file.column(header->referrerOffset, count, &columns.referrer) &&
              file.column(header->referrerBlockOffset, count, &columns.referrerBlock) &&
              file.column(header->insideOffset, count, &columns.inside) &&
              file.column(header->rootOffset, count, &columns.root) &&
              file.column(header->firstWordOffset, count, &columns.firstWord) &&
              file.column(header->regionOffset, header->regionCapacity, &sheet->regions) &&
              file.column(header->frameOffset, header->frameCapacity, &sheet->frames);
  if (!fits) return false;
  columns.address = address;
  columns.size = size;
  columns.flags = flags;
  sheet->header = header;
  sheet->ranges = ranges;
  sheet->rangeCount = header->rangeCount;
  sheet->regionCapacity = header->regionCapacity;
  sheet->frameCapacity = header->frameCapacity;
  return true;
}

void* open_whole(const char* path, size_t* bytes, int* error) {
  using os::raw::call;
  using os::raw::failed;
  long fd = call(SYS_openat, AT_FDCWD, os::raw::text(path), O_RDWR | O_CLOEXEC | O_NOFOLLOW, 0);
  if (failed(fd)) {
    *error = static_cast<int>(fd);
    return nullptr;
  }
  struct stat status {};
  long result = call(SYS_fstat, fd, os::raw::pointer(&status));
  if (!failed(result)) {
    *bytes = static_cast<size_t>(status.st_size);
    result = *bytes < MP_PAGE ? -EINVAL
                              : call(SYS_mmap, 0, status.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  }
  call(SYS_close, fd);
  if (!failed(result)) return reinterpret_cast<void*>(result);
  *error = static_cast<int>(result);
  return nullptr;
}

}  // namespace mp::scan
