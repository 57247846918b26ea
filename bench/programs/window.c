// window LIVE EVENTS: holds LIVE blocks and then replaces one after the other, in no order, until there were
// EVENTS allocations and releases. Sizes from 16 to 2,063 bytes; 16 places of allocation.
#include <stdint.h>
#include <stdlib.h>

#define PLACE(n)                                                        \
  static __attribute__((noinline, noclone)) void* at##n(size_t bytes) { \
    void* block = malloc(bytes);                                        \
    __asm__ volatile("" ::"i"(n) : "memory");                           \
    return block;                                                       \
  }
PLACE(0)
PLACE(1)
PLACE(2)
PLACE(3) PLACE(4) PLACE(5) PLACE(6) PLACE(7) PLACE(8) PLACE(9) PLACE(10) PLACE(11) PLACE(12) PLACE(13)
    PLACE(14) PLACE(15)

        static void* (*const kPlaces[16])(size_t) = {at0, at1, at2,  at3,  at4,  at5,  at6,  at7,
                                                     at8, at9, at10, at11, at12, at13, at14, at15};

static uint64_t g_state = 88172645463325252u;

static uint64_t next_random(void) {
  g_state ^= g_state << 13;
  g_state ^= g_state >> 7;
  g_state ^= g_state << 17;
  return g_state;
}

int main(int argc, char** argv) {
  const size_t live = argc > 1 ? strtoul(argv[1], NULL, 10) : 100000;
  const long events = argc > 2 ? atol(argv[2]) : 10000000;
  void** blocks = calloc(live, sizeof *blocks);
  for (long done = 0; done < events;) {
    const uint64_t random = next_random();
    void** const slot = &blocks[random % live];
    if (*slot != NULL) {
      free(*slot);
      done++;
    }
    *slot = kPlaces[(random >> 40) & 15](16 + ((random >> 44) & 2047));
    done++;
  }
  return 0;
}
