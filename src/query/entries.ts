// Names of the entry points, by record type (MP_ALLOC_* and MP_FREE_* in interpose/wire.h). Pure.

export const entryNames: ReadonlyMap<number, string> = new Map([
  [0x01, 'malloc'],
  [0x02, 'calloc'],
  [0x03, 'realloc'],
  [0x04, 'reallocarray'],
  [0x05, 'posix_memalign'],
  [0x06, 'aligned_alloc'],
  [0x07, 'memalign'],
  [0x08, 'valloc'],
  [0x09, 'pvalloc'],
  [0x20, 'free'],
  [0x21, 'realloc (released)'],
  [0x22, 'free_sized'],
  [0x23, 'free_aligned_sized'],
  [0x30, 'mmap'],
  [0x31, 'munmap'],
  [0x32, 'mremap'],
  [0x33, 'heap break moved'],
]);

export const entryName = (type: number): string => entryNames.get(type) ?? `entry ${type}`;
