// Whose malloc a process has: the addresses that the shim found (ProcessHeader in interpose/wire.h), as images. Pure.
import type { ModuleInfo, ProcessAllocator } from '../model/index.js';

export interface BoundAddresses {
  realMalloc: number;
  boundMalloc: number;
  boundNew: number;
}

/** null: not known. */
export function processAllocator(
  { realMalloc, boundMalloc, boundNew }: BoundAddresses,
  modules: readonly ModuleInfo[],
): ProcessAllocator | null {
  const imageOf = (address: number) =>
    modules.find(
      ({ low, high, unloadedNs }) => unloadedNs === null && address >= low && address < high,
    );
  const own = imageOf(realMalloc);
  if (own === undefined) return null;
  const bound = imageOf(boundMalloc);
  return {
    module: own.path,
    passedBy: bound === undefined || bound.isShim ? null : bound.path,
    hasOwnNew: imageOf(boundNew)?.id === own.id,
  };
}
