// churn DEPTH THREADS PAIRS: each thread takes and frees PAIRS blocks of 32 bytes, at DEPTH calls below
// the thread's first function. The three calls at the leaf alternate between 16 chains of functions, as
// in a program that does different things; all above them stay.
#include <pthread.h>
#include <stdlib.h>

#define APART __attribute__((noinline, noclone))
#define AFTER __asm__ volatile("" ::: "memory")  // so that no call becomes a jump

// c -> b -> a -> malloc. The number makes them different functions for the linker too.
#define CHAIN(n)                              \
  static APART void* a##n(size_t bytes) {     \
    void* block = malloc(bytes);              \
    __asm__ volatile("" ::"i"(n) : "memory"); \
    return block;                             \
  }                                           \
  static APART void* b##n(size_t bytes) {     \
    void* block = a##n(bytes);                \
    __asm__ volatile("" ::"i"(n) : "memory"); \
    return block;                             \
  }                                           \
  static APART void* c##n(size_t bytes) {     \
    void* block = b##n(bytes);                \
    __asm__ volatile("" ::"i"(n) : "memory"); \
    return block;                             \
  }
CHAIN(0)
CHAIN(1)
CHAIN(2) CHAIN(3) CHAIN(4) CHAIN(5) CHAIN(6) CHAIN(7) CHAIN(8) CHAIN(9) CHAIN(10) CHAIN(11) CHAIN(12)
    CHAIN(13) CHAIN(14) CHAIN(15)

        static void* (*const kChains[16])(size_t) = {c0, c1, c2,  c3,  c4,  c5,  c6,  c7,
                                                     c8, c9, c10, c11, c12, c13, c14, c15};
static int g_depth;
static long g_pairs;

static APART void churn(void) {
  for (long i = 0; i < g_pairs; ++i) free(kChains[i & 15](32));
  AFTER;
}

static APART void descend(int more) {
  if (more <= 0) {
    churn();
  } else {
    descend(more - 1);
  }
  AFTER;
}

static void* thread_main(void* unused) {
  descend(g_depth - 5);  // descend, churn, c, b, a
  return unused;
}

int main(int argc, char** argv) {
  if (argc != 4) return 2;
  g_depth = atoi(argv[1]);
  int threads = atoi(argv[2]);
  g_pairs = atol(argv[3]);
  if (threads > 64) return 2;
  if (threads <= 1) {
    thread_main(NULL);
    return 0;
  }
  pthread_t ids[64];
  for (int i = 0; i < threads; ++i) {
    if (pthread_create(&ids[i], NULL, thread_main, NULL) != 0) return 1;
  }
  for (int i = 0; i < threads; ++i) pthread_join(ids[i], NULL);
  return 0;
}
