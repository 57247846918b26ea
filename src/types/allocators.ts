// Private allocators: addons that bring their own. Their blocks are seen by nobody else; their mappings are.
// Pure: which symbols a file has is asked by the caller.
import type { Mapping } from '../model/index.js';
import type { Owner, StackOwners } from '../symbols/index.js';

const signs: Readonly<Record<string, readonly string[]>> = {
  mimalloc: ['mi_malloc', '_mi_malloc_generic', 'mi_heap_malloc', '"mimalloc: "'],
  jemalloc: [
    'je_malloc',
    'je_mallocx',
    '_rjem_malloc',
    '_rjem_mallocx',
    'mallocx',
    '"<jemalloc>: "',
  ],
  tcmalloc: ['tc_malloc', 'TCMallocInternalMalloc', '"tcmalloc: "'],
};

export const allocatorNames: readonly string[] = Object.keys(signs);
/** Symbols to be looked for, and texts in quotes, of all allocators. */
export const allocatorWords: readonly string[] = Object.values(signs).flat();

/** `found`: for each of allocatorWords whether the file has it. null: none is in it. */
export function recognisedAllocator(found: readonly boolean[]): string | null {
  const present = new Set(allocatorWords.filter((_word, at) => found[at]));
  return allocatorNames.find((name) => signs[name].some((word) => present.has(word))) ?? null;
}

export interface AllocatorUse {
  owner: Owner;
  /** Of the module that mapped it. */
  module: string;
  mappingCount: number;
  sizeBytes: number;
}

/** Anonymous memory by who mapped it, largest first; files and what nobody is known for are left out. */
export function mappedByOwner(mappings: readonly Mapping[], owners: StackOwners): AllocatorUse[] {
  const uses = new Map<string, AllocatorUse>();
  for (const { sizeBytes, stackId, flags } of mappings) {
    if (!isAnonymous(flags)) continue;
    const owner = owners.owner(stackId);
    if (owner.module === null) continue;
    const key = `${owner.key}\0${owner.module}`;
    let use = uses.get(key);
    if (use === undefined)
      uses.set(key, (use = { owner, module: owner.module, mappingCount: 0, sizeBytes: 0 }));
    use.mappingCount++;
    use.sizeBytes += sizeBytes;
  }
  return [...uses.values()].sort((a, b) => b.sizeBytes - a.sizeBytes);
}

const mapAnonymous = 0x20;
/** Of a mapping's flags: neither a file nor the heap of malloc. */
export const isAnonymous = (flags: number): boolean => (flags & mapAnonymous) !== 0;
