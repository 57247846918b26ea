#include "addons.h"

#include <dlfcn.h>
#include <errno.h>
#include <link.h>

#include "../base.h"
#include "../modules/modules.h"
#include "../ring/process.h"
#include "calls.h"
#include "class_names.h"
#include "elf_patch.h"
#include "environments.h"
#include "node.h"
#include "resources.h"

namespace mp::napi {
namespace {

constexpr size_t kMaxFirst = 1024;
constexpr size_t kTableSlots = 256;

constexpr size_t kMaxLoaded = 64;

struct Image {
  uintptr_t base;
  const ElfW(Dyn) * dynamic;
  bool operator==(const Image& other) const { return base == other.base && dynamic == other.dynamic; }
};

SpinLock g_lock;
Open g_real = nullptr;
// Images from before the first addon: the program's own, none of which is looked at.
Image* g_first = nullptr;
size_t g_firstCount = 0;
const Call* g_table[kTableSlots];
bool g_isReady = false;

size_t slot_of(const char* name) {
  uint32_t hash = 5381;
  for (; *name != '\0'; ++name) hash = hash * 33 + static_cast<unsigned char>(*name);
  return (hash ^ hash >> 15) & (kTableSlots - 1);
}

void fill_table(const Call* calls, size_t count) {
  for (size_t i = 0; i < count; ++i) {
    if (calls[i].replacement.original == 0) continue;  // not in this Node
    size_t at = slot_of(calls[i].name);
    while (g_table[at] != nullptr) at = (at + 1) & (kTableSlots - 1);
    g_table[at] = &calls[i];
  }
}

Replacement find_call(const char* name) {
  for (size_t at = slot_of(name); g_table[at] != nullptr; at = (at + 1) & (kTableSlots - 1)) {
    if (strcmp(g_table[at]->name, name) == 0) return g_table[at]->replacement;
  }
  return Replacement{0, 0};
}

// Rust's napi-sys may look Node's functions up at run time.
extern "C" __attribute__((visibility("hidden"), used)) void* memprof_addon_dlsym(void* handle,
                                                                                 const char* name) {
  if (handle == RTLD_NEXT || name == nullptr) return nullptr;
  Replacement replacement = find_call(name);
  if (replacement.original == 0) return nullptr;
  int saved = errno;
  void* found = dlsym(handle, name);
  errno = saved;
  return reinterpret_cast<uintptr_t>(found) == replacement.original
             ? reinterpret_cast<void*>(replacement.ours)
             : nullptr;
}

// dlsym as addons get it. Whatever is not Node's own function is asked of the real one with a jump, as it
// looks at its return address.
extern "C" __attribute__((visibility("hidden"), naked, used)) void* memprof_dlsym(void*, const char*) {
  __asm__ volatile(
      "push %rdi\n\t"
      "push %rsi\n\t"
      "sub $8, %rsp\n\t"
      "call memprof_addon_dlsym\n\t"
      "add $8, %rsp\n\t"
      "pop %rsi\n\t"
      "pop %rdi\n\t"
      "test %rax, %rax\n\t"
      "jnz 1f\n\t"
      "jmp *dlsym@GOTPCREL(%rip)\n\t"
      "1: ret");
}

Replacement find_call_or_dlsym(const char* name) {
  if (strcmp(name, "dlsym") == 0)
    return Replacement{reinterpret_cast<uintptr_t>(&dlsym), reinterpret_cast<uintptr_t>(&memprof_dlsym)};
  return find_call(name);
}

bool ends_with(const char* text, const char* end) {
  size_t length = strlen(text);
  size_t endLength = strlen(end);
  return length >= endLength && memcmp(text + length - endLength, end, endLength) == 0;
}

Image image_of(const dl_phdr_info& info) {
  for (size_t i = 0; i < info.dlpi_phnum; ++i) {
    if (info.dlpi_phdr[i].p_type == PT_DYNAMIC)
      return Image{info.dlpi_addr,
                   reinterpret_cast<const ElfW(Dyn)*>(info.dlpi_addr + info.dlpi_phdr[i].p_vaddr)};
  }
  return Image{info.dlpi_addr, nullptr};
}

bool is_first(const Image& image) {
  for (size_t i = 0; i < g_firstCount; ++i) {
    if (g_first[i] == image) return true;
  }
  return false;
}

int keep_first(dl_phdr_info* info, size_t, void*) {
  if (g_firstCount < kMaxFirst) g_first[g_firstCount++] = image_of(*info);
  return 0;
}

const char* base_name(const char* path) {
  const char* slash = strrchr(path, '/');
  return slash == nullptr ? path : slash + 1;
}

// What one dlopen brought: the addon and the libraries that it needs. Images that other threads are
// loading at the same time may be listed already, but must not be touched: the loader still writes to them.
struct Loaded {
  Image images[kMaxLoaded];
  size_t count;

  bool has(const Image& image) const {
    for (size_t i = 0; i < count; ++i) {
      if (images[i] == image) return true;
    }
    return false;
  }
  bool needs(const char* name) const {
    for (size_t i = 0; i < count; ++i) {
      uintptr_t strings = 0;
      for (const auto* entry = images[i].dynamic; entry->d_tag != DT_NULL; ++entry) {
        if (entry->d_tag == DT_STRTAB) strings = entry->d_un.d_ptr;
      }
      if (strings < images[i].base) strings += images[i].base;
      for (const auto* entry = images[i].dynamic; entry->d_tag != DT_NULL; ++entry) {
        if (entry->d_tag == DT_NEEDED &&
            strcmp(base_name(reinterpret_cast<const char*>(strings + entry->d_un.d_val)), name) == 0)
          return true;
      }
    }
    return false;
  }
};

// The list of images stands still meanwhile. An image comes after the one that needs it.
int patch_loaded(dl_phdr_info* info, size_t, void* context) {
  auto* loaded = static_cast<Loaded*>(context);
  Image image = image_of(*info);
  if (image.dynamic == nullptr || is_first(image)) return 0;
  const char* path = info->dlpi_name == nullptr ? "" : info->dlpi_name;
  if (!loaded->has(image)) {
    if (loaded->count == kMaxLoaded || !loaded->needs(base_name(path))) return 0;
    loaded->images[loaded->count++] = image;
  }
  if (ends_with(path, "/memprof_agent.node")) return 0;
  patch_imports(ElfImage{info->dlpi_addr, info->dlpi_phdr, info->dlpi_phnum},
                ends_with(path, ".node") ? find_call_or_dlsym : find_call);
  return 0;
}

// pre: g_lock is held.
bool make_ready() {
  if (g_isReady) return true;
  g_first = static_cast<Image*>(map_pages(sizeof(Image) * kMaxFirst));
  if (g_first == nullptr) return false;
  size_t count;
  const Call* calls = node_api_calls(&count);
  fill_table(calls, count);
  calls = v8_calls(&count);
  fill_table(calls, count);
  dl_iterate_phdr(keep_first, nullptr);
  g_isReady = true;
  return true;
}

void* open_and_patch(const char* path, int mode) {
  void* handle = g_real(path, mode);
  if (handle == nullptr) return handle;
  int saved = errno;
  const auto* map = static_cast<const link_map*>(handle);
  Loaded loaded{{Image{map->l_addr, map->l_ld}}, 1};
  {
    Locked lock(g_lock);
    dl_iterate_phdr(patch_loaded, &loaded);
  }
  errno = saved;
  return handle;
}

}  // namespace

Open open_for(Open real, const char* path, uintptr_t caller) {
  if (path == nullptr || !recording() || !modules::has_v8() || &napi_wrap == nullptr) return real;
  if (strchr(path, '/') == nullptr || strchr(path, '$') != nullptr) return real;
  const modules::Module* module = modules::find(caller);
  auto node = reinterpret_cast<uintptr_t>(&napi_wrap);
  if (module == nullptr || node < module->low || node >= module->high) return real;
  Locked lock(g_lock);
  if (!make_ready()) return real;
  g_real = real;
  return open_and_patch;
}

void after_fork_child() {
  g_lock.reset();
  resources_after_fork_child();
  environments_after_fork_child();
  class_names_after_fork_child();
}

}  // namespace mp::napi
