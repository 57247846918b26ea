#include "digest.h"

#include <stdlib.h>

struct DigestState {
  uint32_t hash;
  uint8_t recent[44];
  size_t count;
};

DigestState* begin_digest() {
  DigestState* state = static_cast<DigestState*>(calloc(1, sizeof(DigestState)));
  state->hash = 2166136261u;
  return state;
}

void add_bytes(DigestState* state, const uint8_t* bytes, size_t count) {
  for (size_t i = 0; i < count; i++) {
    state->recent[state->count++ % sizeof(state->recent)] = bytes[i];
    state->hash = (state->hash ^ bytes[i]) * 16777619u;
  }
}

uint32_t result_of(const DigestState* state) { return state->hash; }

void end_digest(DigestState* state) { free(state); }
