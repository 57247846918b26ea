#include "elf_patch.h"

#include <elf.h>

#include "../base.h"
#include "../os/os.h"

namespace mp::napi {
namespace {

struct Range {
  uintptr_t low = 0, high = 0;
  bool holds(uintptr_t address) const { return address >= low && address < high; }
};

struct Tables {
  const ElfW(Sym) * symbols = nullptr;
  const char* strings = nullptr;
  size_t stringBytes = 0;
  const ElfW(Rela) * relocations[2] = {};
  size_t relocationBytes[2] = {};
};

uintptr_t pointer(const ElfImage& image, uintptr_t value) {
  // The loader has made these absolute, unless the section is read-only.
  return value >= image.base ? value : image.base + value;
}

bool read_tables(const ElfImage& image, uintptr_t dynamic, Tables* tables) {
  for (auto* entry = reinterpret_cast<const ElfW(Dyn)*>(dynamic); entry->d_tag != DT_NULL; ++entry) {
    uintptr_t value = entry->d_un.d_val;
    switch (entry->d_tag) {
      case DT_SYMTAB:
        tables->symbols = reinterpret_cast<const ElfW(Sym)*>(pointer(image, value));
        break;
      case DT_STRTAB:
        tables->strings = reinterpret_cast<const char*>(pointer(image, value));
        break;
      case DT_STRSZ:
        tables->stringBytes = value;
        break;
      case DT_JMPREL:
        tables->relocations[0] = reinterpret_cast<const ElfW(Rela)*>(pointer(image, value));
        break;
      case DT_PLTRELSZ:
        tables->relocationBytes[0] = value;
        break;
      case DT_RELA:
        tables->relocations[1] = reinterpret_cast<const ElfW(Rela)*>(pointer(image, value));
        break;
      case DT_RELASZ:
        tables->relocationBytes[1] = value;
        break;
      default:
        break;
    }
  }
  return tables->symbols != nullptr && tables->strings != nullptr;
}

// Read-only after relocation: writable as long as this object lives, from its first use on.
class Unprotected {
 public:
  explicit Unprotected(Range range) : range_(range) {}
  ~Unprotected() {
    if (isOpen_) os::protect(range_.low, range_.high - range_.low, false);
  }
  bool open_for(uintptr_t slot) {
    if (!range_.holds(slot) || isOpen_) return true;
    isOpen_ = os::protect(range_.low, range_.high - range_.low, true);
    return isOpen_;
  }

 private:
  Range range_;
  bool isOpen_ = false;
};

}  // namespace

size_t patch_imports(const ElfImage& image, FindReplacement find) {
  Range whole{UINTPTR_MAX, 0};
  Range readOnly;
  Range writable[4];
  size_t writableCount = 0;
  uintptr_t dynamic = 0;
  for (size_t i = 0; i < image.headerCount; ++i) {
    const ElfW(Phdr)& header = image.headers[i];
    uintptr_t low = image.base + header.p_vaddr;
    uintptr_t high = low + header.p_memsz;
    if (header.p_type == PT_LOAD) {
      if (low < whole.low) whole.low = low;
      if (high > whole.high) whole.high = high;
      if ((header.p_flags & PF_W) != 0 && writableCount < 4) writable[writableCount++] = Range{low, high};
    } else if (header.p_type == PT_DYNAMIC) {
      dynamic = low;
    } else if (header.p_type == PT_GNU_RELRO) {
      // As the loader does: whole pages only, the last one stays writable.
      readOnly = Range{low & ~(os::kPageBytes - 1), high & ~(os::kPageBytes - 1)};
    }
  }
  Tables tables;
  if (dynamic == 0 || !read_tables(image, dynamic, &tables)) return 0;

  Unprotected protection(readOnly);
  size_t patched = 0;
  for (size_t table = 0; table < 2; ++table) {
    const ElfW(Rela)* relocation = tables.relocations[table];
    if (relocation == nullptr) continue;
    const auto* end = relocation + tables.relocationBytes[table] / sizeof *relocation;
    for (; relocation < end; ++relocation) {
      uint32_t type = ELF64_R_TYPE(relocation->r_info);
      bool isJump = type == R_X86_64_JUMP_SLOT;
      if (!isJump && type != R_X86_64_GLOB_DAT && !(type == R_X86_64_64 && relocation->r_addend == 0))
        continue;
      const ElfW(Sym)& symbol = tables.symbols[ELF64_R_SYM(relocation->r_info)];
      if (symbol.st_shndx != SHN_UNDEF || symbol.st_name == 0 || symbol.st_name >= tables.stringBytes)
        continue;
      Replacement replacement = find(tables.strings + symbol.st_name);
      if (replacement.original == 0) continue;
      uintptr_t at = image.base + relocation->r_offset;
      bool isWritable = false;
      for (size_t i = 0; i < writableCount; ++i) isWritable = isWritable || writable[i].holds(at);
      if (!isWritable || (at & 7) != 0) continue;
      auto* slot = reinterpret_cast<uintptr_t*>(at);
      uintptr_t now = __atomic_load_n(slot, __ATOMIC_RELAXED);
      bool isLazy = isJump && whole.holds(now);
      if (now == replacement.ours) {
        ++patched;
      } else if ((now == replacement.original || isLazy) && protection.open_for(at)) {
        __atomic_store_n(slot, replacement.ours, __ATOMIC_RELEASE);
        ++patched;
      }
    }
  }
  return patched;
}

}  // namespace mp::napi
