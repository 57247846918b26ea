// The hooks themselves: what the program calls. Each is the real call, an event, and nothing else.
//
// frame_address(0) makes the compiler keep this function's frame pointer: [fp] is the caller's rbp,
// [fp + 8] the return address, fp + 16 the caller's stack pointer. That is where a walk begins.
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../../jit/jit.h"
#include "../../modules/modules.h"
#include "../../napi/addons.h"
#include "../../napi/environments.h"
#include "../../os/os.h"
#include "../../queued/threadpool.h"
#include "../../ring/meta.h"
#include "../../scan/checkpoint.h"
#include "../../text.h"
#include "../record.h"
#include "originals.h"

#define MP_ENTRY \
  ::mp::unwind::Entry { reinterpret_cast<uintptr_t>(__builtin_frame_address(0)) }

using namespace mp;
using hooks::g_real;

namespace {

MP_INLINE bool ready() { return MP_LIKELY(g_real.malloc != nullptr) || hooks::resolve(); }

// glibc moves the break inside malloc, without a call that could be hooked; its own note of the
// break is exported.
void* const* g_break = nullptr;
std::atomic<uintptr_t> g_lastBreak{0};

MP_INLINE void watch_break(unwind::Entry entry) {
  if (g_break == nullptr) return;
  auto now = reinterpret_cast<uintptr_t>(*static_cast<void* const volatile*>(g_break));
  uintptr_t before = g_lastBreak.load(std::memory_order_relaxed);
  if (MP_LIKELY(now == before)) return;
  if (g_lastBreak.compare_exchange_strong(before, now) && before != 0) record::heap_break(before, now, entry);
}

MP_INLINE void* note(uint32_t type, void* block, size_t bytes, unwind::Entry entry) {
  if (MP_LIKELY(block != nullptr)) {
    record::allocation(type, block, bytes, entry);
    watch_break(entry);
  }
  return block;
}

void* early(size_t bytes, size_t alignment) {
  void* block = hooks::bootstrap_allocate(bytes, alignment);
  if (block == nullptr) errno = ENOMEM;
  return block;
}

void* move_out_of_bootstrap(void* old, size_t bytes) {
  void* block = ready() ? g_real.malloc(bytes) : early(bytes, 16);
  if (block == nullptr) return nullptr;
  size_t kept = hooks::bootstrap_size(old);
  memcpy(block, old, kept < bytes ? kept : bytes);
  return block;
}

// glibc frees on realloc(p, 0) and returns NULL without an error; a failure sets ENOMEM.
template <typename Call>
MP_INLINE void* reallocate(uint32_t type, void* old, size_t bytes, unwind::Entry entry, Call call) {
  record::Reallocation under = record::begin_reallocation(entry);
  int saved = errno;
  errno = 0;
  void* block = call();
  bool isFailed = block == nullptr && (bytes != 0 || errno == ENOMEM);
  if (errno == 0) errno = saved;
  record::end_reallocation(under, type, old, block, bytes, isFailed);
  if (block != nullptr) watch_break(entry);
  return block;
}

bool is_own_process() { return g_process.header != nullptr && os::pid() == g_process.pid; }

void note_exit(uint64_t how, int status) {
  // vfork's child runs in our memory, but it is not this process that ends.
  if (!recording() || !is_own_process()) return;
  uint64_t word = how | static_cast<uint64_t>(static_cast<uint32_t>(status)) << 32;
  record::plain(MP_EXIT, &word, 1);
}

void at_exit(int status, void*) {
  if (recording() && is_own_process()) scan::take_at_exit();
  note_exit(MP_EXIT_EXIT, status);
}

}  // namespace

// ---- allocation

MP_EXPORT void* malloc(size_t bytes) {
  if (MP_UNLIKELY(!ready())) return early(bytes, 16);
  return note(MP_ALLOC_MALLOC, g_real.malloc(bytes), bytes, MP_ENTRY);
}

MP_EXPORT void* calloc(size_t count, size_t bytes) {
  if (MP_UNLIKELY(!ready())) {
    size_t product;
    return __builtin_mul_overflow(count, bytes, &product) ? nullptr : early(product, 16);
  }
  return note(MP_ALLOC_CALLOC, g_real.calloc(count, bytes), count * bytes, MP_ENTRY);
}

MP_EXPORT void* realloc(void* old, size_t bytes) {
  if (MP_UNLIKELY(hooks::is_bootstrap(old))) {
    void* block = move_out_of_bootstrap(old, bytes);
    return hooks::is_bootstrap(block) ? block : note(MP_ALLOC_REALLOC, block, bytes, MP_ENTRY);
  }
  if (MP_UNLIKELY(!ready())) return early(bytes, 16);
  return reallocate(MP_ALLOC_REALLOC, old, bytes, MP_ENTRY, [=] { return g_real.realloc(old, bytes); });
}

MP_EXPORT void* reallocarray(void* old, size_t count, size_t bytes) {
  size_t product;
  if (__builtin_mul_overflow(count, bytes, &product)) {
    errno = ENOMEM;
    return nullptr;
  }
  if (MP_UNLIKELY(hooks::is_bootstrap(old)))
    return note(MP_ALLOC_REALLOCARRAY, move_out_of_bootstrap(old, product), product, MP_ENTRY);
  if (MP_UNLIKELY(!ready())) return early(product, 16);
  // Not the real reallocarray: glibc's calls realloc through the symbol table, which is us again.
  return reallocate(MP_ALLOC_REALLOCARRAY, old, product, MP_ENTRY,
                    [=] { return g_real.realloc(old, product); });
}

MP_EXPORT void free(void* block) {
  if (MP_UNLIKELY(block == nullptr || hooks::is_bootstrap(block) || !ready())) return;
  record::release(MP_FREE, block);
  g_real.free(block);
}

MP_EXPORT void free_sized(void* block, size_t bytes) {
  if (MP_UNLIKELY(block == nullptr || hooks::is_bootstrap(block) || !ready())) return;
  record::release(MP_FREE_SIZED, block);
  if (g_real.free_sized != nullptr) {
    g_real.free_sized(block, bytes);
  } else {
    g_real.free(block);
  }
}

MP_EXPORT void free_aligned_sized(void* block, size_t alignment, size_t bytes) {
  if (MP_UNLIKELY(block == nullptr || hooks::is_bootstrap(block) || !ready())) return;
  record::release(MP_FREE_ALIGNED_SIZED, block);
  if (g_real.free_aligned_sized != nullptr) {
    g_real.free_aligned_sized(block, alignment, bytes);
  } else {
    g_real.free(block);
  }
}

MP_EXPORT int posix_memalign(void** out, size_t alignment, size_t bytes) {
  if (MP_UNLIKELY(!ready())) {
    void* block = hooks::bootstrap_allocate(bytes, alignment);
    if (block == nullptr) return ENOMEM;
    *out = block;
    return 0;
  }
  int result = g_real.posix_memalign(out, alignment, bytes);
  if (result == 0) note(MP_ALLOC_POSIX_MEMALIGN, *out, bytes, MP_ENTRY);
  return result;
}

MP_EXPORT void* aligned_alloc(size_t alignment, size_t bytes) {
  if (MP_UNLIKELY(!ready())) return early(bytes, alignment);
  return note(MP_ALLOC_ALIGNED_ALLOC, g_real.aligned_alloc(alignment, bytes), bytes, MP_ENTRY);
}

MP_EXPORT void* memalign(size_t alignment, size_t bytes) {
  if (MP_UNLIKELY(!ready())) return early(bytes, alignment);
  return note(MP_ALLOC_MEMALIGN, g_real.memalign(alignment, bytes), bytes, MP_ENTRY);
}

MP_EXPORT void* valloc(size_t bytes) {
  if (MP_UNLIKELY(!ready())) return early(bytes, os::kPageBytes);
  return note(MP_ALLOC_VALLOC, g_real.valloc(bytes), bytes, MP_ENTRY);
}

MP_EXPORT void* pvalloc(size_t bytes) {
  if (MP_UNLIKELY(!ready())) return early(bytes, os::kPageBytes);
  return note(MP_ALLOC_PVALLOC, g_real.pvalloc(bytes), bytes, MP_ENTRY);
}

MP_EXPORT int malloc_trim(size_t pad) {
  if (!ready() || g_real.malloc_trim == nullptr) return 0;
  uint64_t words[2] = {MP_MARK_MALLOC_TRIM, pad};
  record::plain(MP_MARK, words, 2);
  int result = g_real.malloc_trim(pad);
  watch_break(MP_ENTRY);
  return result;
}

// ---- mappings

MP_EXPORT void* mmap(void* hint, size_t bytes, int protection, int flags, int fd, off_t offset) {
  if (!ready()) return MAP_FAILED;
  void* address = g_real.mmap(hint, bytes, protection, flags, fd, offset);
  if (address != MAP_FAILED) record::map(address, bytes, protection, flags, MP_ENTRY);
  return address;
}

MP_EXPORT void* mmap64(void* hint, size_t bytes, int protection, int flags, int fd, off64_t offset) {
  if (!ready()) return MAP_FAILED;
  auto real = g_real.mmap64 != nullptr ? g_real.mmap64 : g_real.mmap;
  void* address = real(hint, bytes, protection, flags, fd, offset);
  if (address != MAP_FAILED) record::map(address, bytes, protection, flags, MP_ENTRY);
  return address;
}

MP_EXPORT int munmap(void* address, size_t bytes) {
  if (!ready()) return -1;
  record::Unmapping under = record::begin_unmap();
  jit::forget_range(reinterpret_cast<uintptr_t>(address), bytes);
  int result = g_real.munmap(address, bytes);
  record::end_unmap(under, address, bytes, result != 0);
  return result;
}

MP_EXPORT void* mremap(void* old, size_t oldBytes, size_t bytes, int flags, ...) {
  va_list rest;
  va_start(rest, flags);
  void* target = (flags & MREMAP_FIXED) != 0 ? va_arg(rest, void*) : nullptr;
  va_end(rest);
  if (!ready() || g_real.mremap == nullptr) {
    errno = ENOSYS;
    return MAP_FAILED;
  }
  void* address = g_real.mremap(old, oldBytes, bytes, flags, target);
  if (address != MAP_FAILED) record::remap(old, oldBytes, address, bytes, MP_ENTRY);
  return address;
}

MP_EXPORT int brk(void* address) {
  if (!ready() || g_real.brk == nullptr) {
    errno = ENOSYS;
    return -1;
  }
  int result = g_real.brk(address);
  watch_break(MP_ENTRY);
  return result;
}

MP_EXPORT void* sbrk(intptr_t delta) {
  if (!ready() || g_real.sbrk == nullptr) {
    errno = ENOSYS;
    return reinterpret_cast<void*>(-1);
  }
  void* before = g_real.sbrk(delta);
  watch_break(MP_ENTRY);
  return before;
}

// ---- images

// The loader looks at dlopen's return address to find the caller's RUNPATH and namespace. So this
// must not be a call from us but a jump: the real one sees the program's own return address. (Or, where
// that does not matter, napi/addons.h's.)
extern "C" __attribute__((visibility("hidden"), used)) void* memprof_real_dlopen(const char* path, int,
                                                                                 uintptr_t caller) {
  modules::expect_new();
  if (!ready()) abort();
  return reinterpret_cast<void*>(napi::open_for(g_real.dlopen, path, caller));
}

extern "C" __attribute__((visibility("default"), naked)) void* dlopen(const char*, int) {
  __asm__ volatile(
      "push %rdi\n\t"
      "push %rsi\n\t"
      "sub $8, %rsp\n\t"
      "mov 24(%rsp), %rdx\n\t"
      "call memprof_real_dlopen\n\t"
      "add $8, %rsp\n\t"
      "pop %rsi\n\t"
      "pop %rdi\n\t"
      "jmp *%rax");
}

MP_EXPORT int dlclose(void* handle) {
  if (!ready()) return -1;
  int result = g_real.dlclose(handle);
  if (recording()) modules::rescan();
  return result;
}

// ---- threads and processes

MP_EXPORT int pthread_setname_np(pthread_t thread, const char* name) {
  if (!ready() || g_real.pthread_setname_np == nullptr) return ENOSYS;
  int result = g_real.pthread_setname_np(thread, name);
  if (result == 0) {
    uint64_t words[3] = {thread::kernel_id(thread), 0, 0};
    size_t length = strnlen(name, 15);
    memcpy(&words[1], name, length);
    // A thread that is not known yet gives its name itself at its first event.
    if (words[0] != 0) record::plain(MP_THREAD_NAME, words, 3);
  }
  return result;
}

// For queued/threadpool.h alone; nothing of a mutex is recorded.
MP_EXPORT int pthread_mutex_unlock(pthread_mutex_t* mutex) {
  if (MP_UNLIKELY(queued::concerns(mutex))) queued::before_unlock(mutex, MP_ENTRY);
  if (MP_UNLIKELY(!ready())) return EAGAIN;
  return g_real.pthread_mutex_unlock(mutex);
}

static pid_t note_fork(pid_t child) {
  if (child > 0) {
    uint64_t word = static_cast<uint64_t>(child);
    record::plain(MP_FORK, &word, 1);
  }
  return child;
}

MP_EXPORT pid_t fork(void) { return ready() ? note_fork(g_real.fork()) : -1; }

MP_EXPORT pid_t _Fork(void) {
  if (!ready() || g_real._Fork == nullptr) {
    errno = ENOSYS;
    return -1;
  }
  return note_fork(g_real._Fork());
}

MP_EXPORT void _exit(int status) {
  note_exit(MP_EXIT_UNDERSCORE, status);
  if (ready()) g_real._exit(status);
  __builtin_trap();
}

MP_EXPORT void _Exit(int status) {
  note_exit(MP_EXIT_UNDERSCORE, status);
  if (ready()) g_real._Exit(status);
  __builtin_trap();
}

MP_EXPORT void quick_exit(int status) {
  note_exit(MP_EXIT_QUICK, status);
  if (ready() && g_real.quick_exit != nullptr) g_real.quick_exit(status);
  _exit(status);
}

namespace {

// exec comes back only if it failed.
template <typename Call>
int note_exec(Call call) {
  if (!ready()) return -1;
  note_exit(MP_EXIT_EXEC, 0);
  int result = call();
  int saved = errno;
  note_exit(MP_EXIT_EXEC_FAILED, 0);
  errno = saved;
  return result;
}

}  // namespace

MP_EXPORT int execve(const char* path, char* const argv[], char* const envp[]) {
  return note_exec([=] { return g_real.execve(path, argv, envp); });
}
MP_EXPORT int execv(const char* path, char* const argv[]) {
  return note_exec([=] { return g_real.execv(path, argv); });
}
MP_EXPORT int execvp(const char* file, char* const argv[]) {
  return note_exec([=] { return g_real.execvp(file, argv); });
}
MP_EXPORT int execvpe(const char* file, char* const argv[], char* const envp[]) {
  return note_exec([=] { return g_real.execvpe(file, argv, envp); });
}
MP_EXPORT int fexecve(int fd, char* const argv[], char* const envp[]) {
  return note_exec([=] { return g_real.fexecve(fd, argv, envp); });
}

// ---- for the agent and memprof.h

MP_EXPORT void memprof_mark(uint32_t kind, uint64_t value, const char* text) {
  if (!recording()) return;
  uint64_t id = text == nullptr || text[0] == '\0' ? 0 : meta::text(text, strlen(text));
  if (kind == MP_MARK_BEFORE_TEARDOWN) {
    modules::rescan();
    napi::note_teardown();
  }
  uint64_t words[2] = {kind | id << 32, value};
  record::plain(MP_MARK, words, 2);
}

MP_EXPORT uint32_t memprof_begin_question(char* path, size_t capacity) {
  static std::atomic<uint32_t> last{0};
  if (!recording()) return 0;
  uint32_t number = last.fetch_add(1, std::memory_order_relaxed) + 1;
  char whole[kPathBytes];
  Text text{whole, whole + sizeof whole};
  text.add(g_process.path).add(".q").add(number);
  auto bytes = static_cast<size_t>(text.at - whole) + 1;
  if (bytes > capacity) return 0;
  memcpy(path, whole, bytes);
  return number;
}

MP_EXPORT uint32_t memprof_has_reader(void) {
  if (!recording() || g_process.header == nullptr) return 0;
  uint32_t reader = __atomic_load_n(&g_process.header->readerState, __ATOMIC_ACQUIRE);
  return reader != MP_READER_DETACHED && !os::lock_is_free(g_process.sessionPath) ? 1 : 0;
}

MP_EXPORT uint32_t memprof_is_recording(void) { return recording() ? 1 : 0; }

MP_EXPORT void memprof_agent_info(const char* json, size_t bytes) {
  if (recording()) meta::agent(json, bytes);
}

MP_EXPORT void memprof_attach_isolate(void) {
  if (!recording()) return;
  modules::rescan();
  jit::attach_current_isolate();
}

// Around V8's listing of objects: hooks/quiet.h.
MP_EXPORT void memprof_begin_quiet(void) { record::begin_quiet(); }
MP_EXPORT void memprof_pause_quiet(uint32_t isPaused) { record::pause_quiet(isPaused != 0); }
MP_EXPORT void memprof_end_quiet(void) { record::end_quiet(MP_ENTRY); }

MP_EXPORT uint32_t memprof_isolate_number(void) { return jit::current_isolate_number(); }

// ---- start

// Joins even if the program never allocates. Libraries that were set up earlier joined already, maybe
// in the middle of something: what takes locks of the C library waits for here.
__attribute__((constructor)) static void start() {
  int saved = errno;
  on_exit(at_exit, nullptr);
  uintptr_t low;
  uintptr_t high;
  hooks::bootstrap_range(&low, &high);
  scan::also_root(low, high);
  const char* verify = getenv("MEMPROF_VERIFY_STACKS");
  if (verify != nullptr && verify[0] == '1') record::verify_stacks();
  if (ready()) {
    g_break = static_cast<void* const*>(hooks::find_symbol("__curbrk"));
    if (g_break != nullptr) g_lastBreak.store(reinterpret_cast<uintptr_t>(*g_break));
    thread::current();
  }
  errno = saved;
}
