#include "annotate.h"

#include <string.h>

#include "../ring/meta.h"
#include "../ring/names.h"
#include "record.h"

using namespace mp;

namespace {

constexpr uint64_t kLimit = (UINT64_C(1) << 48) - 1;

// A pool may be any number to the program; the reader's are exact below 2^48.
uint64_t word_of(const void* address) { return reinterpret_cast<uint64_t>(address) & kLimit; }
uint64_t word_of(size_t bytes) { return bytes < kLimit ? bytes : kLimit; }

// Names need the meta ring, which is there once this process has joined.
bool is_recording() { return recording() || thread::current() != nullptr; }

void plain(uint32_t type, uint64_t word1) { record::plain(type, &word1, 1); }
void plain(uint32_t type, uint64_t word1, uint64_t word2) {
  const uint64_t words[2] = {word1, word2};
  record::plain(type, words, 2);
}

}  // namespace

#define MP_ENTRY \
  ::mp::unwind::Entry { reinterpret_cast<uintptr_t>(__builtin_frame_address(0)) }

MP_EXPORT void memprof_v1_pool_create(const void* pool, const char* name, const void* memory, size_t bytes) {
  if (!is_recording()) return;
  uint64_t words[4] = {word_of(pool), word_of(memory), word_of(bytes), uint64_t{names::id_of(name)} << 32};
  record::announce(MP_POOL_CREATE, words, 4, MP_ENTRY);
}

MP_EXPORT void memprof_v1_pool_memory(const void* pool, const void* memory, size_t bytes) {
  const uint64_t words[3] = {word_of(pool), word_of(memory), word_of(bytes)};
  record::plain(MP_POOL_MEMORY, words, 3);
}

MP_EXPORT void memprof_v1_pool_destroy(const void* pool) { plain(MP_POOL_DESTROY, word_of(pool)); }

MP_EXPORT void memprof_v1_pool_clear(const void* pool) { plain(MP_POOL_CLEAR, word_of(pool)); }

MP_EXPORT void memprof_v1_pool_alloc(const void* pool, const void* block, size_t bytes) {
  if (block == nullptr) return;
  uint64_t words[4] = {word_of(pool), word_of(block), word_of(bytes), 0};
  record::announce(MP_POOL_ALLOC, words, 4, MP_ENTRY);
}

MP_EXPORT void memprof_v1_pool_free(const void* pool, const void* block) {
  if (block != nullptr) plain(MP_POOL_FREE, word_of(pool), word_of(block));
}

MP_EXPORT void memprof_v1_type(const void* block, const char* name) {
  if (block == nullptr || !is_recording()) return;
  plain(MP_BLOCK_TYPE, word_of(block), names::id_of(name));
}

MP_EXPORT void memprof_v1_ignore(const void* block) {
  if (block != nullptr) plain(MP_BLOCK_IGNORE, word_of(block));
}

MP_EXPORT void memprof_v1_ignore_begin(void) { plain(MP_MARK, MP_MARK_IGNORE_BEGIN, 0); }
MP_EXPORT void memprof_v1_ignore_end(void) { plain(MP_MARK, MP_MARK_IGNORE_END, 0); }

MP_EXPORT void memprof_v1_mark(const char* text) {
  if (!is_recording()) return;
  // Texts of marks are mostly different each time: they are not kept.
  const bool hasText = text != nullptr && text[0] != '\0' && !meta::is_writing();
  const uint64_t id = hasText ? meta::text(text, strnlen(text, names::kLongest)) : 0;
  plain(MP_MARK, MP_MARK_USER | id << 32, 0);
}
