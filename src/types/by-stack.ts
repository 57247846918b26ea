// What a block is, from the functions that allocated it. Pure.
import type { NamedFrame, NamedStack } from '../symbols/index.js';
import { containerOf } from './containers.js';
import { runtimeCategory } from './runtime.js';

/** null: the functions do not tell. */
export function typeByStack(stack: NamedStack): string | null {
  return stack.owner.kind === 'node' ? runtimeCategory(stack) : containerType(stack);
}

/** Only what stands before the first function that is no library's: a container's caller is no container. */
function containerType(stack: NamedStack): string | null {
  let found: string | null = null;
  for (const frame of stack.frames) {
    if (frame.kind === 'marker') continue;
    const name = nativeName(frame);
    if (name === null) return found;
    const container = containerOf(name);
    // Outer ones say more: a vector's storage is allocated by its base, a map's node by its tree.
    if (container !== null) found = container;
    else if (!isLibraryName(name)) return found;
  }
  return found;
}

const nativeName = (frame: NamedFrame): string | null =>
  frame.kind === 'native' ? frame.function : null;

const libraryName =
  /^(?:(?:void|bool|decltype\(.*\)|auto|[\w:]+(?:<.*>)?[&* ]*) )?(?:std|__gnu_cxx|alloc|core|hashbrown|__rust_|__rustc|<alloc|<core|<hashbrown)|^operator new|^_?_?(?:libc_)?(?:malloc|calloc|realloc|reallocarray|posix_memalign|aligned_alloc|memalign)$|^__r(?:ust|dl)_/;

function isLibraryName(name: string): boolean {
  return libraryName.test(name);
}
