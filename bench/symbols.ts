// How fast names are found: 20,000 addresses in a module with 80 MB of debug info, and the first name
// in node's own binary. `--json` prints the figures for other programs.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { inspectExecutable, type ResolvedModule, Symbolizer } from '../src/native/index.js';
import { SymbolCache } from '../src/query/symbol-cache.js';
import { largeModule } from './symbols-module.js';

const addressCount = 20_000;
const roundCount = 5;

interface Section {
  name: string;
  address: number;
  sizeBytes: number;
}

function sectionsOf(path: string): Section[] {
  const lines = execFileSync('readelf', ['-SW', path], { encoding: 'utf8' }).split('\n');
  return lines.flatMap((line) => {
    const found = /^\s*\[ *\d+\] (\S+)\s+\S+\s+([0-9a-f]{16}) [0-9a-f]+ ([0-9a-f]+)/.exec(line);
    if (found === null) return [];
    const [, name, address, size] = found;
    return [{ name, address: Number.parseInt(address, 16), sizeBytes: Number.parseInt(size, 16) }];
  });
}

/** Evenly over the module's code, so that every unit is read. */
function spreadOver(path: string, count: number): Float64Array {
  const text = sectionsOf(path).find((section) => section.name === '.text');
  if (text === undefined) throw new Error(`${path} has no .text`);
  const step = text.sizeBytes / count;
  return Float64Array.from({ length: count }, (_, at) => text.address + Math.floor(at * step));
}

interface Timing {
  medianMs: number;
  minMs: number;
  maxMs: number;
}

async function timed(work: () => Promise<ResolvedModule>): Promise<[Timing, ResolvedModule]> {
  const timesMs: number[] = [];
  let last: ResolvedModule | undefined;
  for (let round = 0; round < roundCount; round++) {
    const begin = performance.now();
    last = await work();
    timesMs.push(performance.now() - begin);
  }
  timesMs.sort((a, b) => a - b);
  const round = (ms: number): number => Math.round(ms * 10) / 10;
  return [
    {
      medianMs: round(timesMs[roundCount >> 1]),
      minMs: round(timesMs[0]),
      maxMs: round(timesMs[roundCount - 1]),
    },
    last as ResolvedModule,
  ];
}

const library = largeModule();
const sections = sectionsOf(library);
const debugBytes = sections
  .filter(({ name }) => name.startsWith('.debug_'))
  .reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
const addresses = spreadOver(library, addressCount);
const fresh = (path: string, wanted: Float64Array) => () =>
  new Symbolizer().resolve(path, '', wanted);
const [large, answers] = await timed(fresh(library, addresses));
const [largeFirst] = await timed(fresh(library, addresses.subarray(0, 1)));
const nodeAddresses = spreadOver(process.execPath, addressCount);
const [nodeFirst] = await timed(fresh(process.execPath, nodeAddresses.subarray(7, 8)));
const [nodeAll] = await timed(fresh(process.execPath, nodeAddresses));

const cacheFolder = join(mkdtempSync(join(tmpdir(), 'memprof-bench-')), 'symbols');
const { buildId } = inspectExecutable(library);
const writing = new SymbolCache(new Symbolizer(), cacheFolder, 0);
await writing.resolve(library, `${buildId}`, addresses);
await writing.save();
const [largeCached] = await timed(() =>
  new SymbolCache(new Symbolizer(), cacheFolder).resolve(library, `${buildId}`, addresses),
);
const cacheBytes = readdirSync(cacheFolder)
  .map((name) => statSync(join(cacheFolder, name)).size)
  .reduce((sum, size) => sum + size, 0);
rmSync(dirname(cacheFolder), { recursive: true });

const figures = {
  debugMegabytes: Math.round(debugBytes / 1e5) / 10,
  addressCount,
  namedByDebugInfo: answers.quality.filter((quality) => quality === 3).length,
  frameCount: answers.functionName.length,
  large,
  largeFirst,
  largeCached,
  cacheKilobytes: Math.round(cacheBytes / 1e3),
  nodeFirst,
  nodeAll,
};
if (process.argv.includes('--json')) {
  console.log(JSON.stringify(figures));
} else {
  const row = (what: string, { medianMs, minMs, maxMs }: Timing): string =>
    `${what.padEnd(52)} ${String(medianMs).padStart(8)} ms   (${minMs} to ${maxMs})`;
  console.log(
    [
      `module with ${figures.debugMegabytes} MB of debug info; ${figures.namedByDebugInfo} of ${addressCount} addresses named by it, ${figures.frameCount} frames`,
      row(`${addressCount} addresses in it`, large),
      row('one address in it', largeFirst),
      row(`the same ${addressCount} from the cache (${figures.cacheKilobytes} KB)`, largeCached),
      row(`one address in node ${process.version}`, nodeFirst),
      row(`${addressCount} addresses in node`, nodeAll),
    ].join('\n'),
  );
}
