// What is measured: the programs, how much they do, and the figures to reach.
import { join } from 'node:path';
import { buildWithNodeGyp, type Installed, installed } from '../test/e2e/support/npm.js';
import { type Bench, programsFolder } from './support/run.js';
import { writeTree } from './typescript-tree.js';
import type { Variant } from './variants.js';

export interface Aims {
  /** Extra CPU of the program an event. */
  addedNs?: number;
  /** Wall over native: with trace and report, and recording alone. */
  wall?: number;
  recordingWall?: number;
}

export interface Workload {
  name: string;
  title: string;
  variants: readonly Variant[];
  aims: Aims;
  /** More rounds than others, for what is short. */
  roundFactor?: number;
  /** Why one of the usual variants is left out. */
  leftOut?: string;
  /** The command, or why it cannot run here. `isQuick`: just enough to see that it works. */
  prepare(bench: Bench, isQuick: boolean): Promise<string[] | { skipped: string }>;
}

const usual: readonly Variant[] = ['native', 'memprof', 'heaptrack'];
/** Programs such as people run. */
const real: readonly Variant[] = ['native', 'memprof', 'checkpointed', 'heaptrack'];

function churn(depth: number, threads: number, addedNs: number): Workload {
  return {
    name: threads === 1 ? `churn-${depth}` : `churn-${depth}x${threads}`,
    title: `C churn, depth ${depth}, ${threads === 1 ? 'one thread' : `${threads} threads`}`,
    variants: usual,
    aims: { addedNs },
    prepare: async (bench, isQuick) => {
      const pairs = Math.floor((isQuick ? 200_000 : 4_000_000) / threads);
      return [bench.churn, String(depth), String(threads), String(pairs)];
    },
  };
}

function distinct(stacks: number): Workload {
  return {
    name: `distinct-${stacks}`,
    title: `${stacks.toLocaleString('en')} distinct stacks 60 deep, 16 sizes`,
    variants: ['native', 'memprof'],
    aims: {},
    leftOut: 'see “Distinct stacks”',
    prepare: async (bench, isQuick) =>
      distinctCommand(bench, stacks, isQuick ? 100_000 : 1_000_000),
  };
}

export const distinctCommand = (bench: Bench, stacks: number, pairs: number): string[] => [
  bench.distinct,
  String(stacks),
  String(pairs),
];

const script = (name: string, ...argv: (string | number)[]): string[] => [
  process.execPath,
  join(programsFolder, name),
  ...argv.map(String),
];

const orSkip = (
  { folder, reason }: Installed,
  command: (folder: string) => string[],
): string[] | { skipped: string } => (folder === null ? { skipped: reason } : command(folder));

export const workloads: readonly Workload[] = [
  churn(5, 1, 40),
  churn(20, 1, 45),
  churn(60, 1, 60),
  churn(20, 4, 85),
  {
    name: 'addon-churn',
    title: 'addon churn from JavaScript, stacks of 59 frames',
    variants: usual,
    aims: { addedNs: 60, wall: 5 },
    prepare: async (bench, isQuick) =>
      script('addon-churn.cjs', bench.addon, isQuick ? 20_000 : 700_000),
  },
  {
    name: 'addon-map',
    title: 'addon std::map build from JavaScript',
    variants: usual,
    aims: { addedNs: 60 },
    prepare: async (bench, isQuick) =>
      script('addon-map.cjs', bench.addon, isQuick ? 10_000 : 100_000, isQuick ? 2 : 10),
  },
  {
    name: 'better-sqlite3',
    title: 'better-sqlite3, inserts and selects',
    variants: real,
    aims: { wall: 1.25 },
    prepare: async (_, isQuick) =>
      orSkip(
        await installed('better-sqlite3', ['better-sqlite3@12.9.0'], {
          prepare: (folder) => buildWithNodeGyp(join(folder, 'node_modules', 'better-sqlite3')),
        }),
        (folder) => script('sqlite.cjs', folder, isQuick ? 2_000 : 120_000),
      ),
  },
  {
    name: 'sharp',
    title: 'sharp, resizes',
    variants: real,
    aims: { wall: 1.4 },
    prepare: async (_, isQuick) =>
      orSkip(
        await installed('addons', ['sharp@0.35.5', 'bcrypt@6.0.0', '@node-rs/argon2@2.2.1']),
        (folder) => script('sharp.cjs', folder, isQuick ? 12 : 400),
      ),
  },
  {
    name: 'node-core',
    title: 'node core: JSON, zlib, crypto',
    variants: real,
    aims: { wall: 1.35 },
    prepare: async (_, isQuick) => script('node-core.cjs', isQuick ? 10 : 400),
  },
  {
    name: 'tsc',
    title: 'tsc (TypeScript 5.9, a project of 80 files)',
    variants: real,
    aims: { wall: 1.2 },
    prepare: async (bench, isQuick) => {
      const tree = await writeTree(join(bench.folder, 'tree'), isQuick ? 10 : 80);
      return orSkip(await installed('typescript', ['typescript@5.9.3']), (folder) => [
        process.execPath,
        join(folder, 'node_modules', 'typescript', 'lib', 'tsc.js'),
        ...tree,
      ]);
    },
  },
  {
    name: 'node-e-0',
    title: '`node -e 0`',
    variants: ['native', 'memprof', 'checkpointed', 'recording', 'heaptrack'],
    aims: { wall: 5, recordingWall: 2 },
    roundFactor: 2,
    prepare: async () => [process.execPath, '-e', '0'],
  },
  distinct(64),
  distinct(4096),
];
