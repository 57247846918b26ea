// Licenses of the packages whose code is in a bundle: MIT asks for them.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** One text a package, from the paths of the modules that were bundled. */
export function licensesOf(moduleIds) {
  const folders = new Set();
  for (const id of moduleIds) {
    const match = /^.*\/node_modules\/(?:@[^/]+\/)?[^/]+(?=\/)/.exec(id);
    if (match !== null) folders.add(match[0]);
  }
  return [...folders].sort().map((folder) => {
    const { name, version } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
    const file = ['LICENSE', 'LICENSE.md', 'license'].find((one) => existsSync(join(folder, one)));
    return `${name} ${version}\n\n${readFileSync(join(folder, file), 'utf8').trim()}\n`;
  });
}
