// Numbers and paths as text, without stdio.
#ifndef MEMPROF_TEXT_H
#define MEMPROF_TEXT_H

#include "base.h"

namespace mp {

// Always closed by NUL; what does not fit is cut.
struct Text {
  char* at;
  char* end;
  Text& add(const char* s) {
    while (*s != '\0' && at + 1 < end) *at++ = *s++;
    *at = '\0';
    return *this;
  }
  Text& add(uint64_t value) {
    char digits[24];
    int n = 0;
    do {
      digits[n++] = static_cast<char>('0' + value % 10);
      value /= 10;
    } while (value != 0);
    while (n > 0 && at + 1 < end) *at++ = digits[--n];
    *at = '\0';
    return *this;
  }
};

// Stops at the first character that is no digit.
inline uint64_t parse_hex(const char** text, const char* end = nullptr) {
  uint64_t value = 0;
  for (;; ++*text) {
    if (*text == end) return value;
    char c = **text;
    if (c >= '0' && c <= '9')
      value = value * 16 + static_cast<uint64_t>(c - '0');
    else if (c >= 'a' && c <= 'f')
      value = value * 16 + static_cast<uint64_t>(c - 'a' + 10);
    else
      return value;
  }
}

inline uint32_t parse_decimal(const char* text) {
  uint32_t value = 0;
  for (; *text >= '0' && *text <= '9'; ++text) value = value * 10 + static_cast<uint32_t>(*text - '0');
  return value;
}

}  // namespace mp

#endif
