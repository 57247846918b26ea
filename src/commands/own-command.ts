// How the user can run `memprof` from where they are: the report ends with a line to copy.
import { accessSync, constants, realpathSync } from 'node:fs';
import { join } from 'node:path';
import { memprofBinPath, packageRoot } from '../paths.js';
import { shellQuote } from '../report/index.js';

export function ownCommand(searchPath: string | undefined, cwd: string): string {
  for (const folder of (searchPath ?? '').split(':')) {
    if (folder !== '' && isOurs(join(folder, 'memprof'))) return 'memprof';
  }
  if (isOurs(join(cwd, 'node_modules', '.bin', 'memprof'))) return 'npx memprof';
  return `node ${shellQuote(memprofBinPath)}`;
}

function isOurs(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return realpathSync(path).startsWith(packageRoot);
  } catch {
    // Not there, or not to be executed.
    return false;
  }
}
