// Small programs for the tests of this folder, and what binutils says about them.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import type { ResolvedModule } from '../../src/native/index.js';

export function temporaryFolder(t: ExecutionContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'memprof-native-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

export function run(command: string, ...args: string[]): string {
  return execFileSync(command, args, {
    encoding: 'utf8',
    maxBuffer: 1 << 28,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
}

/** Lines matter: the tests name them. */
export const shopSource = `namespace shop {
struct Item { int price; };
inline __attribute__((always_inline)) int doubled(int value) {
  asm volatile("nop");
  return value * 2;
}
inline __attribute__((always_inline)) int taxed(int value) {
  return doubled(value) + 1;
}
class Till {
 public:
  __attribute__((noinline)) int sum(const Item& item, int count);
};
int Till::sum(const Item& item, int count) {
  return taxed(item.price) * count;
}
}
extern "C" __attribute__((noinline)) int plain_entry(int count) {
  shop::Till till;
  shop::Item item{count};
  return till.sum(item, count) + 1;
}
static __attribute__((noinline)) int hidden_helper(int count) {
  asm volatile("" : "+r"(count));
  return count * 7;
}
extern "C" __attribute__((noinline)) int second_entry(int count) { return hidden_helper(count) + 1; }
int main(int count, char**) { return plain_entry(count) + second_entry(count); }
`;

/** Compiles the source and returns the path of the result. */
export function compile(folder: string, name: string, args: string[], source = shopSource): string {
  const sourcePath = join(folder, 'shop.cc');
  const path = join(folder, name);
  writeFileSync(sourcePath, source);
  run('g++', ...args, sourcePath, '-o', path);
  return path;
}

/** Every 4th byte of the code sections that hold functions of the source, and odd ones between. */
export function addressesOf(path: string, pattern: RegExp): Float64Array {
  const addresses: number[] = [];
  for (const line of run('nm', '-S', path).split('\n')) {
    const [start, size, kind, name] = line.split(' ');
    if (name === undefined || !/^[tTwWi]$/.test(kind) || !pattern.test(name)) continue;
    const first = Number.parseInt(start, 16);
    const sizeBytes = Number.parseInt(size, 16);
    for (let offset = 0; offset < sizeBytes; offset++) addresses.push(first + offset);
  }
  return Float64Array.from(addresses);
}

/** "function file:line" per frame, leaf first; "?" for what is unknown. */
export function binutilsFrames(path: string, addresses: Float64Array): string[][] {
  const hex = [...addresses].map((address) => `0x${address.toString(16)}`);
  const lines = run('addr2line', '-f', '-i', '-C', '-a', '-e', path, ...hex)
    .trimEnd()
    .split('\n');
  const frames: string[][] = [];
  for (let at = 0; at < lines.length; ) {
    const own: string[] = [];
    for (at++; at < lines.length && !/^0x[0-9a-f]{16}$/.test(lines[at]); at += 2) {
      const place = lines[at + 1].replace(/ \(discriminator \d+\)$/, '');
      own.push(`${lines[at].replace('??', '?')} ${place.replace('??:', '?:')}`);
    }
    frames.push(own);
  }
  return frames;
}

/** Functions of shopSource. */
export const ours = /^_ZN4shop|^plain_entry$|^second_entry$|hidden_helper|^main$/;

/** "function file:line" per frame, as binutilsFrames. */
export function framesOf(module: ResolvedModule, index: number): string[] {
  const frames: string[] = [];
  for (let frame = module.start[index]; frame < module.start[index + 1]; frame++) {
    const place = `${module.file[frame] ?? '?'}:${module.line[frame] || '?'}`;
    frames.push(`${module.functionName[frame] ?? '?'} ${place}`);
  }
  return frames;
}

/** Only what differs is shown: "address: ours | expected". */
export function sameFrames(
  t: ExecutionContext,
  module: ResolvedModule,
  addresses: Float64Array,
  expected: string[][],
): void {
  const different: string[] = [];
  addresses.forEach((address, index) => {
    const own = framesOf(module, index).join(' < ');
    const wanted = expected[index].join(' < ');
    if (own !== wanted) different.push(`${address.toString(16)}: ${own} | ${wanted}`);
  });
  t.is(module.quality.length, expected.length);
  t.deepEqual(different, []);
}

export function addressOf(
  path: string,
  symbol: string,
  ...nmFlags: string[]
): { start: number; size: number } {
  for (const line of run('nm', '-S', ...nmFlags, path).split('\n')) {
    const [start, size, , name] = line.split(' ');
    if (name === symbol)
      return { start: Number.parseInt(start, 16), size: Number.parseInt(size, 16) };
  }
  throw new Error(`${path} has no symbol ${symbol}`);
}
