// Finds the package of a module on this machine's disk.
import { readFileSync, realpathSync } from 'node:fs';
import { join } from 'node:path';
import { nearestPackage, type PackageLookup } from '../symbols/index.js';

export function packageFiles(): PackageLookup {
  const known = new Map<string, unknown>();
  const readPackage = (folder: string): unknown => {
    if (!known.has(folder)) known.set(folder, readJson(join(folder, 'package.json')));
    return known.get(folder);
  };
  return (modulePath) => nearestPackage(realPath(modulePath), readPackage);
}

function realPath(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    // The trace may come from another machine, or the file is gone: its recorded path is what we have.
    return path;
  }
}

function readJson(path: string): unknown {
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch {
    // No file, or not JSON: no package here, the search goes on above.
    return null;
  }
}
