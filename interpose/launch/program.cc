#include "program.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

namespace launch {
namespace {

bool fits(int length) { return length > 0 && length < PATH_MAX; }

// The path from the root, whatever the folder is relative to.
bool join(const char* folder, size_t folderLength, const char* name, char* path) {
  const int length = static_cast<int>(folderLength);
  if (folderLength > 0 && folder[0] == '/')
    return fits(snprintf(path, PATH_MAX, "%.*s/%s", length, folder, name));
  char current[PATH_MAX];
  if (getcwd(current, sizeof(current)) == nullptr || current[0] != '/') return false;
  if (folderLength == 0) return fits(snprintf(path, PATH_MAX, "%s/%s", current, name));
  return fits(snprintf(path, PATH_MAX, "%s/%.*s/%s", current, length, folder, name));
}

bool is_executable(const char* path) {
  struct stat status;
  return stat(path, &status) == 0 && S_ISREG(status.st_mode) && access(path, X_OK) == 0;
}

bool read_at(int file, void* into, size_t bytes, uint64_t offset) {
  return pread(file, into, bytes, static_cast<off_t>(offset)) == static_cast<ssize_t>(bytes);
}

bool has_glibc_loader(int file) {
  Elf64_Ehdr header;
  if (!read_at(file, &header, sizeof(header), 0) || memcmp(header.e_ident, ELFMAG, SELFMAG) != 0)
    return false;
  if (header.e_ident[EI_CLASS] != ELFCLASS64 || header.e_machine != EM_X86_64) return false;
  if (header.e_phentsize != sizeof(Elf64_Phdr)) return false;
  for (unsigned i = 0; i < header.e_phnum; ++i) {
    Elf64_Phdr segment;
    if (!read_at(file, &segment, sizeof(segment), header.e_phoff + i * sizeof(segment))) return false;
    if (segment.p_type != PT_INTERP) continue;
    char loader[PATH_MAX];
    if (segment.p_filesz == 0 || segment.p_filesz > sizeof(loader)) return false;
    if (!read_at(file, loader, segment.p_filesz, segment.p_offset)) return false;
    loader[segment.p_filesz - 1] = '\0';
    const char* slash = strrchr(loader, '/');
    return strncmp(slash == nullptr ? loader : slash + 1, "ld-linux", 8) == 0;
  }
  return false;
}

}  // namespace

bool find_program(const char* name, char* path) {
  if (strchr(name, '/') != nullptr) {
    const bool isAbsolute = name[0] == '/';
    const bool found = isAbsolute ? fits(snprintf(path, PATH_MAX, "%s", name)) : join("", 0, name, path);
    return found && is_executable(path);
  }
  const char* search = getenv("PATH");
  if (search == nullptr) search = "/bin:/usr/bin";
  for (;;) {
    const char* end = strchrnul(search, ':');
    if (join(search, static_cast<size_t>(end - search), name, path) && is_executable(path)) return true;
    if (*end == '\0') return false;
    search = end + 1;
  }
}

bool is_preloadable(const char* path) {
  const int file = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  if (file < 0) return false;
  struct stat status;
  const bool isPlain = fstat(file, &status) == 0 && (status.st_mode & (S_ISUID | S_ISGID)) == 0 &&
                       fgetxattr(file, "security.capability", nullptr, 0) < 0;
  const bool is = isPlain && has_glibc_loader(file);
  close(file);
  return is;
}

bool can_write_beside(const char* output) {
  const char* slash = output == nullptr ? nullptr : strrchr(output, '/');
  char probe[PATH_MAX];
  const int folderLength = slash == nullptr ? 0 : static_cast<int>(slash - output) + 1;
  const int length = snprintf(probe, sizeof(probe), "%.*s.memprof-%d.tmp", folderLength,
                              output == nullptr ? "" : output, getpid());
  if (!fits(length)) return false;
  // By writing: access(2) tells root that everything is writable, read-only mounts included.
  const int file = open(probe, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (file < 0) return false;
  close(file);
  unlink(probe);
  return true;
}

bool is_free(const char* output, bool isForced) {
  struct stat status;
  if (stat(output, &status) != 0) return errno == ENOENT;
  return isForced && S_ISREG(status.st_mode);
}

}  // namespace launch
