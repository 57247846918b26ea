// The command line, as far as a program can be started from it without asking anybody.
#ifndef MEMPROF_LAUNCH_WORDS_H
#define MEMPROF_LAUNCH_WORDS_H

#include <stdint.h>

namespace launch {

struct Words {
  bool isForced = false;
  const char* output = nullptr;  // -o; nullptr: not given
  uint32_t sessionFlags = 0;
  char** program = nullptr;  // the program's words, up to a null
};

// False: something that this launcher does not know, or that commander (src/commands/run-program.ts) refuses.
bool parse_words(char** argv, Words* words);

}  // namespace launch

#endif
