// The traced program's environment: the user's own, extended. Memprof's process keeps its own
// environment untouched, so that neither the preload nor the agent ever runs in it.
import { symlinkSync } from 'node:fs';
import { join } from 'node:path';

export interface EnvironmentParts {
  shimPath: string;
  agentPath: string;
  /** The session's private folder: a link to the shim goes there when its own path cannot be preloaded. */
  sessionFolder: string;
  session: Record<string, string>;
}

export function tracedEnvironment(
  user: NodeJS.ProcessEnv,
  parts: EnvironmentParts,
): NodeJS.ProcessEnv {
  return {
    ...user,
    ...parts.session,
    LD_PRELOAD: preloadList(user['LD_PRELOAD'], preloadable(parts.shimPath, parts.sessionFolder)),
    NODE_OPTIONS: withOption(user['NODE_OPTIONS'], '--require', parts.agentPath),
  };
}

/** Ours first: it must see the calls before another allocator answers them, which it then calls as its "next". */
function preloadList(users: string | undefined, shim: string): string {
  return users === undefined || users.trim() === '' ? shim : `${shim}:${users}`;
}

/** The loader splits LD_PRELOAD at spaces and colons and knows no quotes: such a path needs another name. */
function preloadable(shimPath: string, sessionFolder: string): string {
  // $ would be taken for one of the loader's own words ($ORIGIN, $LIB).
  if (!/[\s:$]/.test(shimPath)) return shimPath;
  const link = join(sessionFolder, 'libmemprof.so');
  symlinkSync(shimPath, link);
  return link;
}

/** Node splits NODE_OPTIONS at spaces; double quotes keep them, and a backslash escapes inside quotes. */
export function withOption(users: string | undefined, option: string, value: string): string {
  const ours = `${option} "${value.replace(/["\\]/g, '\\$&')}"`;
  return users === undefined || users.trim() === '' ? ours : `${ours} ${users}`;
}
