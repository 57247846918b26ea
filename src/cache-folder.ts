// Where things are kept that can be made again. Must not import from the project.
import { homedir } from 'node:os';
import { join } from 'node:path';

/** The user's, of all programs. */
export function cachesFolder(environment: NodeJS.ProcessEnv): string {
  return environment['XDG_CACHE_HOME'] || join(environment['HOME'] || homedir(), '.cache');
}

/** Memprof's own; null: MEMPROF_NO_CACHE=1. */
export function ownCacheFolder(environment: NodeJS.ProcessEnv): string | null {
  const no = environment['MEMPROF_NO_CACHE'] ?? '';
  return no !== '' && no !== '0' ? null : join(cachesFolder(environment), 'memprof');
}
