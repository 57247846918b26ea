// distinct STACKS PAIRS: PAIRS blocks of 16 sizes, taken and freed below STACKS (at most 4096) different
// stacks of 60 calls, one after the other. Every fifth call is one of two functions, by a bit of the
// stack's number; numbers are spread, so that with few stacks as with many about half of each stack
// differs from the one before: a difference in cost comes from their number alone.
#include <stdint.h>
#include <stdlib.h>

#define APART __attribute__((noinline, noclone))
enum { kDepth = 60, kEvery = 5 };

static APART void* left(int level, uint32_t path, size_t bytes);
static APART void* right(int level, uint32_t path, size_t bytes);

static inline __attribute__((always_inline)) void* next(int level, uint32_t path, size_t bytes) {
  if (level == kDepth) return malloc(bytes);
  if (level % kEvery != 0) return left(level + 1, path, bytes);
  return path & 1 ? right(level + 1, path >> 1, bytes) : left(level + 1, path >> 1, bytes);
}

static APART void* left(int level, uint32_t path, size_t bytes) {
  void* block = next(level, path, bytes);
  __asm__ volatile("" ::"i"(1) : "memory");
  return block;
}

static APART void* right(int level, uint32_t path, size_t bytes) {
  void* block = next(level, path, bytes);
  __asm__ volatile("" ::"i"(2) : "memory");
  return block;
}

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  uint32_t stacks = (uint32_t)atol(argv[1]);
  long pairs = atol(argv[2]);
  for (long i = 0; i < pairs; ++i) {
    uint32_t path = ((uint32_t)i % stacks) * 2531u & 4095u;  // odd: all 4096 are reached
    free(left(1, path, 16 * (1 + (size_t)(i / stacks) % 16)));
  }
  return 0;
}
