// With which allocators and settings a program is replayed.

export interface Setting {
  name: string;
  /** In words. */
  what: string;
  environment: Readonly<Record<string, string>>;
  /** File name of the allocator to be preloaded; null: glibc's own. */
  preload: string | null;
  /** The Debian package that has it. */
  debianPackage: string | null;
}

const glibc = (name: string, what: string, tunables: string): Setting => ({
  name,
  what,
  environment: tunables === '' ? {} : { GLIBC_TUNABLES: tunables },
  preload: null,
  debianPackage: null,
});

/** The first is what the program was most likely recorded with. */
export const settings: readonly Setting[] = [
  glibc('glibc', "glibc's allocator as it is", ''),
  glibc('arena-max-1', 'MALLOC_ARENA_MAX=1', 'glibc.malloc.arena_max=1'),
  glibc('arena-max-2', 'MALLOC_ARENA_MAX=2', 'glibc.malloc.arena_max=2'),
  glibc('trim-threshold', 'MALLOC_TRIM_THRESHOLD_=131072', 'glibc.malloc.trim_threshold=131072'),
  glibc('mmap-threshold', 'MALLOC_MMAP_THRESHOLD_=131072', 'glibc.malloc.mmap_threshold=131072'),
  glibc('no-tcache', 'GLIBC_TUNABLES=glibc.malloc.tcache_count=0', 'glibc.malloc.tcache_count=0'),
  {
    name: 'jemalloc',
    what: 'LD_PRELOAD=libjemalloc.so.2',
    environment: {},
    preload: 'libjemalloc.so.2',
    debianPackage: 'libjemalloc2',
  },
  {
    name: 'mimalloc',
    what: 'LD_PRELOAD=libmimalloc.so.2',
    environment: {},
    preload: 'libmimalloc.so.2',
    debianPackage: 'libmimalloc2.0',
  },
];
