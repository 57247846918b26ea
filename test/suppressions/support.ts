// Findings for rules to match, drawn as stacks.
import type { CheckFinding, FindingFrame } from '../../src/checks/index.js';

/** "name @module file" a line, from the allocation outwards; "js name file" for JavaScript. */
export function stackOf(drawn: string, packages: Record<string, string> = {}): FindingFrame[] {
  return drawn
    .trim()
    .split('\n')
    .map((text) => {
      const isJs = text.trim().startsWith('js ');
      const [left, right = ''] = text.trim().replace(/^js /, '').split(' @ ');
      const [module, file = null] = right.trim().split(' ');
      return {
        kind: isJs ? 'js' : 'native',
        name: left.trim(),
        file: isJs ? module : file,
        line: null,
        column: null,
        module: isJs || module === '' ? null : module,
        packageName: packages[module] ?? null,
      };
    });
}

export function finding(stack: FindingFrame[], facts: Partial<CheckFinding> = {}): CheckFinding {
  return {
    rule: 'lost',
    level: 'error',
    packageName: '',
    title: 'lost: 1.0 KiB in 1 block',
    details: [],
    place: null,
    stack,
    blockCount: 1,
    sizeBytes: 1024,
    perIteration: null,
    suppressedBy: null,
    fingerprint: '0123456789abcdef',
    ...facts,
  };
}

/** tile-cache allocates through fontconfig and the C++ library; the rest is Node. */
export const tileFinding = (facts: Partial<CheckFinding> = {}): CheckFinding =>
  finding(
    stackOf(
      `
      operator new(unsigned long)      @ /usr/lib/libstdc++.so.6
      FcPatternCreate                  @ /usr/lib/libfontconfig.so.1
      std::vector<int, std::allocator<int> >::push_back(int&&) @ /app/node_modules/tile-cache/tile_cache.node /usr/include/c++/12/bits/stl_vector.h
      tiles::Cache<int>::put(char const*, int) @ /app/node_modules/tile-cache/tile_cache.node /app/node_modules/tile-cache/src/cache.cc
      Napi::Call(napi_env__*)          @ /app/node_modules/tile-cache/tile_cache.node
      v8impl::Call(void*)              @ /usr/bin/node
      js storeTile                     @ /app/index.js
      node::Start(int, char**)         @ /usr/bin/node
      uv_run                           @ /usr/bin/node
      `,
      { '/app/node_modules/tile-cache/tile_cache.node': 'tile-cache' },
    ),
    { packageName: 'tile-cache', ...facts },
  );
