// Programs drawn as lists of allocating sites, for comparing them with each other.
import fc from 'fast-check';
import { type DiffReport, type DiffSide, diffSides, liveAmounts } from '../../src/diff/index.js';
import type { StackId } from '../../src/model/index.js';
import { symbolize } from '../../src/symbols/index.js';
import { ModelBuilder } from '../model-builder.js';

/** Functions from the leaf to the root, each in a file with a line; null: no debug information. */
export interface DrawnSite {
  calls: { name: string; line: number | null }[];
  sizeBytes: number;
  count: number;
}

export interface DrawnProgram {
  sites: DrawnSite[];
  /** Bytes of Node's own blocks. */
  runtime: number[];
}

const addon = '/app/node_modules/shop/shop.node';

export interface Build {
  /** Added to every line of C++ and JavaScript. */
  shift?: number;
  cwd?: string;
  nodeVersion?: string;
  /** Of functions: what they are called in this build. */
  renamed?: Record<string, string>;
}

export async function side(program: DrawnProgram, build: Build = {}): Promise<DiffSide> {
  const { shift = 0, cwd = '/app', renamed = {} } = build;
  const m = new ModelBuilder();
  m.process = { ...m.process, cwd };
  for (const { calls, sizeBytes, count } of program.sites) {
    const frames = calls.map(({ name, line }) => {
      const shown = renamed[name] ?? name;
      return `${addon.replace('/app', cwd)} ${shown}${line === null ? '' : `@${cwd}/shop.cc:${line + shift}`}`;
    });
    const main = `js JS:~main ${cwd}/app.js:${3 + shift}:1\n node node::Start(int, char**)`;
    m.live('both', m.stack(`${frames.join('\n')}\n${main}`), sizeBytes, count);
  }
  for (const [at, sizeBytes] of program.runtime.entries())
    m.live('both', m.stack(`node v8::f${at % 5}()\n node v8::g${at}()\n node main`), sizeBytes);
  const model = m.build();
  const packageOf = () => ({ name: 'shop', version: '1.0.0' });
  const ids = new Set(model.atEnd.live.stackId as Iterable<StackId>);
  return {
    amounts: liveAmounts(model.atEnd.live, null),
    summedUp: { blockCount: 0, sizeBytes: 0 },
    symbols: await symbolize(model, ids, m.resolver(), { packageOf }),
    context: { isNode: true, executable: '/usr/bin/node', cwd, ownFolders: ['/nowhere'] },
    passes: () => true,
  };
}

export async function compare(
  before: DrawnProgram,
  after: DrawnProgram,
  builds: { before?: Build; after?: Build } = {},
): Promise<DiffReport> {
  return diffSides(await side(before, builds.before), await side(after, builds.after));
}

const call = fc.record({
  name: fc.constantFrom('alloc', 'grow', 'parse', 'load', 'Image::Image()', 'cache::put'),
  line: fc.option(fc.integer({ min: 1, max: 40 }), { freq: 8 }),
});

const anySite = fc.record({
  calls: fc.array(call, { minLength: 1, maxLength: 4 }),
  sizeBytes: fc.integer({ min: 1, max: 500 }),
  count: fc.integer({ min: 1, max: 4 }),
});

export const anyProgram: fc.Arbitrary<DrawnProgram> = fc.record({
  sites: fc.array(anySite, { maxLength: 8 }),
  runtime: fc.array(fc.integer({ min: 1, max: 900 }), { maxLength: 4 }),
});

/** "alloc:10 < load:20 < run:30 = 3 x 100" a line. */
export function drawn(text: string): DrawnProgram {
  const sites = text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '')
    .map((line): DrawnSite => {
      const [calls, amount] = line.split(' = ');
      const [count, sizeBytes] = amount.split(' x ').map(Number);
      return {
        calls: calls.split(' < ').map((one) => {
          const [name, at] = one.split(':');
          return { name, line: at === undefined ? null : Number(at) };
        }),
        count,
        sizeBytes,
      };
    });
  return { sites, runtime: [] };
}

/** "new leak +300", a line for each site that changed. */
export function changesOf(report: DiffReport): string[] {
  return report.sites
    .filter((one) => one.change !== 'unchanged')
    .map((one) => {
      const frame = one.stack.frames[0];
      const name = frame.kind === 'marker' ? frame.text : `${frame.function}:${frame.line ?? '?'}`;
      const growth = one.after.sizeBytes - one.before.sizeBytes;
      return `${one.change} ${name} ${growth > 0 ? '+' : ''}${growth}`;
    });
}
