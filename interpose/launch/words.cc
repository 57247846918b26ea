#include "words.h"

#include <string.h>

#include "../wire.h"

namespace launch {
namespace {

bool is(const char* word, const char* wanted) { return strcmp(word, wanted) == 0; }

// "--name value" and "--name=value". nullptr: another option, or its value is missing.
const char* value_of(char*** at, const char* name) {
  const char* word = **at;
  const size_t length = strlen(name);
  if (strncmp(word, name, length) != 0) return nullptr;
  if (word[length] == '=') return word + length + 1;
  if (word[length] != '\0' || (*at)[1] == nullptr) return nullptr;
  return *++*at;
}

}  // namespace

bool parse_words(char** argv, Words* words) {
  words->sessionFlags = MP_SESSION_CHECKPOINT_EXIT;
  char** at = argv + 1;
  for (; *at != nullptr && **at == '-'; ++at) {
    const char* value;
    if (is(*at, "--")) {
      ++at;
      break;
    }
    if (is(*at, "-q") || is(*at, "--quiet")) continue;
    if (is(*at, "-f") || is(*at, "--force")) {
      words->isForced = true;
    } else if (is(*at, "-o") && at[1] != nullptr) {
      words->output = *++at;
    } else if ((value = value_of(&at, "--output")) != nullptr) {
      words->output = value;
    } else if ((value = value_of(&at, "--events")) != nullptr) {
      if (!is(value, "full") && !is(value, "none")) return false;
    } else if ((value = value_of(&at, "--checkpoint")) != nullptr) {
      if (is(value, "exit"))
        words->sessionFlags = MP_SESSION_CHECKPOINT_EXIT;
      else if (is(value, "none"))
        words->sessionFlags = 0;
      else
        return false;
    } else {
      return false;
    }
  }
  words->program = at;
  return *at != nullptr && **at != '\0';
}

}  // namespace launch
