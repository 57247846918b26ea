#include "originals.h"

#include <dlfcn.h>
#include <link.h>

#include "../../base.h"
#include "../../modules/modules.h"
#include "../../ring/process.h"
#include "../../ring/thread.h"

namespace mp::hooks {

Originals g_real;

namespace {

constexpr size_t kArenaBytes = 256 * 1024;
alignas(64) char g_arena[kArenaBytes];
std::atomic<size_t> g_used{0};

// A failed lookup leaves a message that glibc allocated, and frees at the program's next error: a
// release of a block that was never recorded. The first call takes the message, the second frees it.
void forget_lookup_errors() {
  dlerror();
  dlerror();
}

// Where images are bound to; `behind`: where, if not to the executable. One that is not position independent and
// takes a function's address has an entry of its own for it, which the lookup finds first: it defines nothing.
uint64_t bound_to(const char* name, void* behind) {
  void* found = dlsym(RTLD_DEFAULT, name);
  Dl_info info;
  ElfW(Sym)* symbol = nullptr;
  bool isKnown = found != nullptr &&
                 dladdr1(found, &info, reinterpret_cast<void**>(&symbol), RTLD_DL_SYMENT) != 0 &&
                 symbol != nullptr;
  return reinterpret_cast<uint64_t>(!isKnown || symbol->st_shndx == SHN_UNDEF ? behind : found);
}

struct Header {
  size_t bytes;
  size_t pad;
};

}  // namespace

bool resolve() {
  if (g_real.malloc != nullptr) return true;
  if (thread::t_local.muted != 0) return false;
  thread::t_local.muted++;
  Originals found{};
#define MP_FIND(result, name, parameters) \
  found.name = reinterpret_cast<result(*) parameters>(dlsym(RTLD_NEXT, #name));
  MP_HOOKS(MP_FIND, MP_FIND)
#undef MP_FIND
  modules::use_loader_lookup(reinterpret_cast<modules::FindObject>(dlsym(RTLD_DEFAULT, "_dl_find_object")));
  g_process.realMalloc = reinterpret_cast<uint64_t>(found.malloc);
  g_process.boundMalloc = bound_to("malloc", nullptr);
  g_process.boundNew = bound_to("_Znwm", dlsym(RTLD_NEXT, "_Znwm"));
  forget_lookup_errors();
  auto allocate = found.malloc;
  found.malloc = nullptr;
  g_real = found;
  // Last: whoever sees malloc sees them all.
  __atomic_store_n(&g_real.malloc, allocate, __ATOMIC_RELEASE);
  thread::t_local.muted--;
  return allocate != nullptr;
}

void* find_symbol(const char* name) {
  thread::t_local.muted++;
  void* symbol = dlsym(RTLD_DEFAULT, name);
  if (symbol == nullptr) forget_lookup_errors();
  thread::t_local.muted--;
  return symbol;
}

void* bootstrap_allocate(size_t bytes, size_t alignment) {
  if (alignment < 16) alignment = 16;
  if (bytes > kArenaBytes / 2 || alignment > 4096) return nullptr;
  size_t need = round_up(bytes, 16) + sizeof(Header) + alignment;
  size_t at = g_used.fetch_add(need, std::memory_order_relaxed);
  if (at + need > kArenaBytes) return nullptr;
  auto block = round_up(reinterpret_cast<uintptr_t>(g_arena) + at + sizeof(Header), alignment);
  reinterpret_cast<Header*>(block)[-1].bytes = bytes;
  return reinterpret_cast<void*>(block);
}

bool is_bootstrap(const void* block) {
  return reinterpret_cast<uintptr_t>(block) - reinterpret_cast<uintptr_t>(g_arena) < kArenaBytes;
}

void bootstrap_range(uintptr_t* low, uintptr_t* high) {
  *low = reinterpret_cast<uintptr_t>(g_arena);
  *high = *low + kArenaBytes;
}

size_t bootstrap_size(const void* block) { return static_cast<const Header*>(block)[-1].bytes; }

}  // namespace mp::hooks
