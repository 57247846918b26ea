#include "maps.h"

#include "../text.h"

namespace mp::scan {
namespace {

bool begins(const char* text, const char* end, const char* word) {
  size_t length = strlen(word);
  return static_cast<size_t>(end - text) >= length && memcmp(text, word, length) == 0;
}

Backing backing_of(const char* path, const char* end, const char* session) {
  if (path == end || begins(path, end, "[anon")) return Backing::kAnonymous;
  if (begins(path, end, "[heap]")) return Backing::kHeap;
  if (begins(path, end, "[stack")) return Backing::kStack;
  if (*path == '[') return Backing::kSpecial;
  if (session[0] != '\0' && begins(path, end, session)) return Backing::kSession;
  if (begins(path, end, "/memfd:") || begins(path, end, "/SYSV") || begins(path, end, "/dev/zero") ||
      begins(path, end, "/dev/shm/")) {
    return Backing::kSharedMemory;
  }
  if (begins(path, end, "/dev/") || begins(path, end, "anon_inode:")) return Backing::kSpecial;
  return Backing::kFile;
}

// "low-high rwxp offset major:minor inode   path"
bool parse_line(const char* at, const char* end, const char* session, Mapping* mapping) {
  mapping->low = parse_hex(&at, end);
  if (at == end || *at++ != '-') return false;
  mapping->high = parse_hex(&at, end);
  if (end - at < 6 || *at++ != ' ' || mapping->high <= mapping->low) return false;
  mapping->canRead = at[0] == 'r';
  mapping->canWrite = at[1] == 'w';
  mapping->canExecute = at[2] == 'x';
  mapping->isShared = at[3] == 's';
  at += 4;
  for (int field = 0; field < 3; ++field) {
    while (at != end && *at == ' ') ++at;
    while (at != end && *at != ' ') ++at;
  }
  while (at != end && *at == ' ') ++at;
  mapping->backing = backing_of(at, end, session);
  if (mapping->isShared && mapping->backing == Backing::kAnonymous) mapping->backing = Backing::kSharedMemory;
  return true;
}

}  // namespace

size_t parse_maps(const char* text, size_t bytes, const char* session, Mapping* mappings, size_t capacity) {
  size_t count = 0;
  const char* end = text + bytes;
  while (text != end) {
    const auto* found = static_cast<const char*>(memchr(text, '\n', static_cast<size_t>(end - text)));
    const char* lineEnd = found == nullptr ? end : found;
    Mapping mapping;
    // Out of order: not the kernel's text.
    if (parse_line(text, lineEnd, session, &mapping) &&
        (count == 0 || count > capacity || mapping.low >= mappings[count - 1].high)) {
      if (count < capacity) mappings[count] = mapping;
      ++count;
    }
    text = found == nullptr ? end : found + 1;
  }
  return count;
}

}  // namespace mp::scan
