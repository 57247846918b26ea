// The fixture addons: one of Node-API for all Nodes, one of V8's own API built for each.
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { buildAddon } from '../../e2e/support/build.js';

export const napiAddon = (): Promise<string> =>
  buildAddon('owners.cc', ['-DNAPI_DISABLE_CPP_EXCEPTIONS']);

/** null: that Node's headers are not here. */
export async function v8Addon(nodePath: string): Promise<string | null> {
  const headers = join(dirname(nodePath), '..', 'include', 'node');
  if (!existsSync(join(headers, 'node_object_wrap.h'))) return null;
  return buildAddon('owners-v8.cc', [
    '-std=c++20',
    '-Wno-unused-parameter',
    '-Wno-cast-function-type',
    '-Wno-deprecated-declarations',
    '-DNODE_GYP_MODULE_NAME=owners_v8',
    `-I${headers}`,
  ]);
}
