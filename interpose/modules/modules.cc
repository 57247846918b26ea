#include "modules.h"

#include <dlfcn.h>
#include <elf.h>
#include <link.h>

#include "../base.h"
#include "../os/os.h"
#include "../ring/meta.h"
#include "../ring/clock.h"
#include "../ring/process.h"

// Bound by the loader when the program starts, so that nobody has to look it up later: dlsym takes
// locks and allocates, and a process may join the session inside any malloc.
extern "C" __attribute__((weak)) void* _ZN2v87Isolate13TryGetCurrentEv();

namespace mp::modules {
namespace {

constexpr uint32_t kMaxModules = 8192;
constexpr size_t kMaxPath = 4096;

struct Entry {
  Module module;
  uint32_t flags;
  uint32_t buildIdBytes;
  uint8_t buildId[32];
  uint32_t pathBytes;
  char* path;
  uint32_t seenBy;  // the last rescan that met it
};

Entry* g_entries = nullptr;
std::atomic<uint32_t> g_count{0};
std::atomic<uint32_t> g_generation{1};
std::atomic<bool> g_announcing{false};
// Taken inside the loader's own lock (dl_iterate_phdr's callback), so nothing under it may call the
// loader.
SpinLock g_lock;
std::atomic<bool> g_expectNew{false};
uintptr_t g_v8 = 0;  // an address inside the image that contains V8; 0: none was there at the join
char* g_pathPage = nullptr;
size_t g_pathUsed = 0;

constexpr size_t kPathPage = 64 * 1024;

char* keep_path(const char* path, size_t bytes) {
  if (g_pathPage == nullptr || g_pathUsed + bytes > kPathPage) {
    g_pathPage = static_cast<char*>(map_pages(kPathPage));
    g_pathUsed = 0;
    if (g_pathPage == nullptr) return nullptr;
  }
  char* kept = g_pathPage + g_pathUsed;
  memcpy(kept, path, bytes);
  g_pathUsed += bytes;
  return kept;
}

// An image as the loader describes it.
struct Image {
  uintptr_t base;
  const char* name;
  const ElfW(Phdr) * headers;
  size_t headerCount;
};

struct Shape {
  uintptr_t low = UINTPTR_MAX, high = 0, ehFrameHeader = 0, end = 0, codeLow = 0, codeHigh = 0;
  uintptr_t dataLow[2] = {}, dataHigh[2] = {};
  uint8_t buildId[32];
  uint32_t buildIdBytes = 0;
};

void read_build_id(uintptr_t at, size_t bytes, Shape& shape) {
  const uintptr_t end = at + bytes;
  while (at + sizeof(ElfW(Nhdr)) <= end) {
    const auto* note = reinterpret_cast<const ElfW(Nhdr)*>(at);
    uintptr_t name = at + sizeof *note;
    uintptr_t value = name + round_up(note->n_namesz, 4);
    uintptr_t next = value + round_up(note->n_descsz, 4);
    if (next > end || next <= at) return;
    if (note->n_type == NT_GNU_BUILD_ID && note->n_namesz == 4 &&
        memcmp(reinterpret_cast<const char*>(name), "GNU", 4) == 0 &&
        note->n_descsz <= sizeof shape.buildId) {
      memcpy(shape.buildId, reinterpret_cast<const void*>(value), note->n_descsz);
      shape.buildIdBytes = note->n_descsz;
      return;
    }
    at = next;
  }
}

Shape shape_of(const Image& image) {
  Shape shape;
  for (size_t i = 0; i < image.headerCount; ++i) {
    const ElfW(Phdr)& header = image.headers[i];
    uintptr_t start = image.base + header.p_vaddr;
    if (header.p_type == PT_LOAD) {
      uintptr_t low = start & ~(os::kPageBytes - 1);
      if (low < shape.low) shape.low = low;
      if (start + header.p_memsz > shape.high) shape.high = start + header.p_memsz;
      // Only what the file fills: that much can be read as code.
      if ((header.p_flags & (PF_R | PF_X)) == (PF_R | PF_X) &&
          header.p_filesz > shape.codeHigh - shape.codeLow) {
        shape.codeLow = start;
        shape.codeHigh = start + header.p_filesz;
      }
      size_t place = shape.dataHigh[0] == 0 ? 0 : 1;
      if ((header.p_flags & PF_W) != 0 && shape.dataHigh[place] == 0) {
        shape.dataLow[place] = start;
        shape.dataHigh[place] = start + header.p_memsz;
      }
    } else if (header.p_type == PT_GNU_EH_FRAME) {
      shape.ehFrameHeader = start;
    } else if (header.p_type == PT_NOTE && shape.buildIdBytes == 0) {
      read_build_id(start, header.p_memsz, shape);
    }
  }
  // The unwind tables lie in one readable segment with their header.
  for (size_t i = 0; i < image.headerCount; ++i) {
    const ElfW(Phdr)& header = image.headers[i];
    uintptr_t start = image.base + header.p_vaddr;
    if (header.p_type == PT_LOAD && (header.p_flags & PF_R) != 0 && shape.ehFrameHeader >= start &&
        shape.ehFrameHeader < start + header.p_memsz) {
      shape.end = start + header.p_memsz;
    }
  }
  if (shape.end == 0) shape.ehFrameHeader = 0;
  return shape;
}

void announce(const Entry& entry) {
  meta::module(entry.module.id, entry.flags, entry.module.base, entry.module.low, entry.module.high,
               tick_of_no_event(), entry.buildId, entry.buildIdBytes, entry.path, entry.pathBytes);
}

const char* absolute_path(const Image& image, bool isExecutable, char (&buffer)[kMaxPath], size_t* bytes) {
  if (isExecutable) {
    long got = os::read_link("/proc/self/exe", buffer, sizeof buffer);
    *bytes = got > 0 ? static_cast<size_t>(got) : 0;
    return buffer;
  }
  size_t length = strnlen(image.name, kMaxPath - 1);
  if (length == 0 || image.name[0] == '/' || memchr(image.name, '/', length) == nullptr) {
    *bytes = length;
    return image.name;
  }
  long folder = os::current_folder(buffer, sizeof buffer);
  if (folder <= 0 || static_cast<size_t>(folder) + 1 + length > sizeof buffer) {
    *bytes = length;
    return image.name;
  }
  buffer[folder] = '/';
  memcpy(buffer + folder + 1, image.name, length);
  *bytes = static_cast<size_t>(folder) + 1 + length;
  return buffer;
}

bool is_v8(const Shape& shape) { return g_v8 >= shape.low && g_v8 < shape.high; }

// pre: g_lock is held. The entry of this image, made if it is new; nullptr when the table is full.
Entry* remember(const Image& image, bool isExecutable) {
  Shape shape = shape_of(image);
  if (shape.low >= shape.high) return nullptr;
  static char buffer[kMaxPath];  // under g_lock: the caller's stack may be a small one
  size_t pathBytes = 0;
  const char* path = absolute_path(image, isExecutable, buffer, &pathBytes);
  uint32_t count = g_count.load(std::memory_order_relaxed);
  for (uint32_t i = 0; i < count; ++i) {
    Entry& entry = g_entries[i];
    // The same file again at the same place is the same module: a dlopen loop stays one.
    if (entry.module.base == image.base && entry.module.low == shape.low && entry.module.high == shape.high &&
        entry.buildIdBytes == shape.buildIdBytes &&
        memcmp(entry.buildId, shape.buildId, shape.buildIdBytes) == 0 && entry.pathBytes == pathBytes &&
        memcmp(entry.path, path, pathBytes) == 0) {
      if (entry.module.gone) raise_generation();
      entry.module.gone = false;
      return &entry;
    }
  }
  if (count >= kMaxModules) return nullptr;
  char* kept = keep_path(path, pathBytes);
  if (kept == nullptr) return nullptr;
  Entry& entry = g_entries[count];
  entry.module = Module{};
  entry.module.id = count;
  entry.module.keepsFramePointers = is_v8(shape);
  entry.module.base = image.base;
  entry.module.low = shape.low;
  entry.module.high = shape.high;
  entry.module.ehFrameHeader = shape.ehFrameHeader;
  entry.module.end = shape.end;
  entry.module.codeLow = shape.codeLow;
  entry.module.codeHigh = shape.codeHigh;
  for (size_t i = 0; i < 2; ++i) {
    entry.module.dataLow[i] = shape.dataLow[i];
    entry.module.dataHigh[i] = shape.dataHigh[i];
  };
  entry.flags = isExecutable ? uint32_t{MP_MODULE_EXECUTABLE} : 0u;
  if (pathBytes >= 10 && memcmp(path, "linux-vdso", 10) == 0) entry.flags |= MP_MODULE_VDSO;
  auto self = reinterpret_cast<uintptr_t>(&g_entries);
  if (self >= shape.low && self < shape.high) entry.flags |= MP_MODULE_SHIM;
  entry.buildIdBytes = shape.buildIdBytes;
  memcpy(entry.buildId, shape.buildId, shape.buildIdBytes);
  entry.path = kept;
  entry.pathBytes = static_cast<uint32_t>(pathBytes);
  g_count.store(count + 1, std::memory_order_release);
  if (g_announcing.load(std::memory_order_relaxed)) announce(entry);
  return &entry;
}

bool ensure_table() {
  if (g_entries == nullptr) g_entries = static_cast<Entry*>(map_pages(sizeof(Entry) * kMaxModules));
  return g_entries != nullptr;
}

struct Scan {
  bool isFirst;  // the executable comes first
  uint32_t number;
};

int visit(dl_phdr_info* info, size_t, void* context) {
  auto* scan = static_cast<Scan*>(context);
  Image image{info->dlpi_addr, info->dlpi_name == nullptr ? "" : info->dlpi_name, info->dlpi_phdr,
              info->dlpi_phnum};
  Locked lock(g_lock);
  Entry* entry = remember(image, scan->isFirst);
  scan->isFirst = false;
  if (entry != nullptr) entry->seenBy = scan->number;
  return 0;
}

// base: as the loader gives it for this address; kAnyBase: not known.
constexpr uintptr_t kAnyBase = UINTPTR_MAX;

const Module* lookup(uintptr_t address, uintptr_t base) {
  uint32_t count = g_count.load(std::memory_order_acquire);
  for (uint32_t i = 0; i < count; ++i) {
    const Module& module = g_entries[i].module;
    if (!module.gone && address >= module.low && address < module.high &&
        (base == kAnyBase || base == module.base))
      return &module;
  }
  return nullptr;
}

FindObject g_findObject = nullptr;

}  // namespace

const Module* find(uintptr_t address) {
  if (g_findObject == nullptr) {
    // glibc before 2.35: the list is read anew after a dlopen, at the first address it lacks.
    const Module* known = lookup(address, kAnyBase);
    if (known != nullptr || !g_expectNew.exchange(false)) return known;
    rescan();
    return lookup(address, kAnyBase);
  }
  // The loader's own answer is lock-free and never stale; our table only adds what we made of it.
  dl_find_object object;
  if (g_findObject(reinterpret_cast<void*>(address), &object) != 0) return lookup(address, kAnyBase);
  const link_map* map = object.dlfo_link_map;
  if (map == nullptr) return lookup(address, kAnyBase);
  const Module* known = lookup(address, map->l_addr);
  if (known != nullptr) return known;
  // dlfo_map_start is the image's first byte, except in an executable with gaps, which is known.
  auto low = reinterpret_cast<uintptr_t>(object.dlfo_map_start);
  const auto* header = static_cast<const ElfW(Ehdr)*>(object.dlfo_map_start);
  if (memcmp(header->e_ident, ELFMAG, SELFMAG) != 0 ||
      header->e_phoff + header->e_phnum * sizeof(ElfW(Phdr)) > os::kPageBytes) {
    return nullptr;
  }
  Image image{map->l_addr, map->l_name == nullptr ? "" : map->l_name,
              reinterpret_cast<const ElfW(Phdr)*>(low + header->e_phoff), header->e_phnum};
  Locked lock(g_lock);
  Entry* entry = remember(image, false);
  return entry == nullptr ? nullptr : &entry->module;
}

void rescan() {
  if (!ensure_table()) return;
  static std::atomic<uint32_t> scans{0};
  uint32_t known = g_count.load(std::memory_order_acquire);
  Scan scan{true, ++scans};
  dl_iterate_phdr(visit, &scan);
  bool lostOne = false;
  {
    Locked lock(g_lock);
    for (uint32_t i = 0; i < known; ++i) {
      Entry& entry = g_entries[i];
      // A later scan of another thread may have met it already.
      if (entry.seenBy >= scan.number || entry.module.gone) continue;
      entry.module.gone = true;
      lostOne = true;
      if (g_announcing.load(std::memory_order_relaxed))
        meta::module_gone(entry.module.id, tick_of_no_event());
    }
  }
  if (lostOne) raise_generation();
}

void announce_all() {
  g_v8 = reinterpret_cast<uintptr_t>(&_ZN2v87Isolate13TryGetCurrentEv);
  // A fork's child has its parent's table, and may hold the loader's locks without their owners.
  if (g_count.load(std::memory_order_acquire) == 0) rescan();
  Locked lock(g_lock);
  g_announcing.store(true);
  uint32_t count = g_count.load(std::memory_order_relaxed);
  for (uint32_t i = 0; i < count; ++i) {
    announce(g_entries[i]);
    if (g_entries[i].module.gone) meta::module_gone(i, tick_of_no_event());
  }
}

void use_loader_lookup(FindObject find) { g_findObject = find; }

void after_fork_child() {
  g_lock.reset();
  g_announcing.store(false);
}

void expect_new() { g_expectNew.store(true, std::memory_order_relaxed); }
bool has_v8() { return g_v8 != 0; }

uint32_t generation() { return g_generation.load(std::memory_order_acquire); }
void raise_generation() {
  g_generation.fetch_add(1, std::memory_order_acq_rel);
  note_change();
}

}  // namespace mp::modules
