#ifndef TINY_DIGEST_DIGEST_H
#define TINY_DIGEST_DIGEST_H

#include <stddef.h>
#include <stdint.h>

struct DigestState;

DigestState* begin_digest();
void add_bytes(DigestState* state, const uint8_t* bytes, size_t count);
uint32_t result_of(const DigestState* state);
void end_digest(DigestState* state);

#endif
