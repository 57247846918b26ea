// Allocators that are not glibc's, in words. Pure.
import type { OtherAllocator } from '../memory/index.js';
import { escapeText } from './escape.js';

export function allocatorText({ name, fileName }: OtherAllocator): string {
  return name === fileName ? escapeText(fileName) : `${name} (${escapeText(fileName)})`;
}

/** What is not recorded because of it; null: nothing. */
export function allocatorLossText(allocator: OtherAllocator): string | null {
  if (allocator.passedBy !== null)
    return `${allocatorText(allocator)} has a malloc of its own, which the program calls: these allocations and releases are not recorded`;
  return allocator.hasOwnNew
    ? `The operator new of ${allocatorText(allocator)} does not go through malloc: what C++ code allocates with new is not recorded, unless its own libraries bring operator new`
    : null;
}
