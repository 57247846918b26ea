// Which npm package a module's file belongs to. Reading package.json is the caller's: a lookup comes in.
// Must not import fs.
import { dirname } from 'node:path/posix';

export interface PackageRef {
  name: string;
  /** null where package.json has none. */
  version: string | null;
}

/** The package of a module by its path; null when it belongs to none. */
export type PackageLookup = (modulePath: string) => PackageRef | null;

/** package.json of a folder, parsed; null when there is none or it is not JSON. */
export type ReadPackage = (folder: string) => unknown;

export const noPackages: PackageLookup = () => null;

/**
 * Walks up from a module's real path to the first package.json that has a name: build tools leave
 * nameless ones ({"type":"commonjs"}) between an addon and its package.
 */
export function nearestPackage(
  realModulePath: string,
  readPackage: ReadPackage,
): PackageRef | null {
  let folder = dirname(realModulePath);
  for (;;) {
    const found = asPackage(readPackage(folder));
    if (found !== null) return found;
    const parent = dirname(folder);
    if (parent === folder) return null;
    folder = parent;
  }
}

function asPackage(parsed: unknown): PackageRef | null {
  if (typeof parsed !== 'object' || parsed === null) return null;
  const { name, version } = parsed as { name?: unknown; version?: unknown };
  if (typeof name !== 'string' || name === '') return null;
  return { name, version: typeof version === 'string' && version !== '' ? version : null };
}
