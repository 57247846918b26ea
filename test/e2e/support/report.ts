// The parts of memprof's JSON that the tests read. Written by hand from docs/schema, so that a test
// fails when the product's output changes shape.
import type { ExecutionContext } from 'ava';
import { memprofJson } from './run.js';

export interface Frame {
  kind: 'native' | 'js' | 'builtin';
  function: string | null;
  file: string | null;
  line: number | null;
  module: string | null;
  inlined: boolean;
  recovered?: true;
}

/** Not a frame but a fact about the stack, before the frame of that number. */
export interface Marker {
  at: number;
  marker: 'cut' | 'nested' | 'table-full' | 'not-taken' | 'broken' | 'gap' | 'queued' | 'unknown';
}

export interface Site {
  sizeBytes: number;
  blockCount: number;
  package: { name: string; version: string | null } | null;
  module: string | null;
  thread: unknown;
  moment: 'before-teardown' | 'at-end';
  frames: Frame[];
  markers: Marker[];
}

export interface Unfreed {
  schema: string;
  process: {
    pid: number;
    argv: string[];
    nodeVersion: string | null;
    ended: { how: string; code: number | null; signal: string | null };
  };
  totals: {
    beforeTeardown: { blockCount: number; sizeBytes: number } | null;
    atEnd: { blockCount: number; sizeBytes: number };
  };
  sites: Site[];
}

export async function unfreed(
  t: ExecutionContext,
  trace: string,
  ...options: readonly string[]
): Promise<Unfreed> {
  const report = await memprofJson<Unfreed>(t, 'unfreed', trace, ...options);
  t.is(report.schema, 'memprof.unfreed/1');
  return report;
}

/** The one site at the end of the process whose blocks have exactly this size in sum. */
export function siteOfSize(
  t: ExecutionContext,
  report: Unfreed,
  sizeBytes: number,
  moment: Site['moment'] = 'at-end',
): Site {
  const found = report.sites.filter(
    (site) => site.moment === moment && site.sizeBytes / site.blockCount === sizeBytes,
  );
  t.is(found.length, 1, `sites of ${sizeBytes} bytes ${moment}`);
  return found[0] as Site;
}

/** A stack as text, leaf first, one frame a line: what a failing test shows. */
export function drawStack(frames: readonly Frame[]): string {
  return frames
    .map((frame) => {
      const place = frame.file === null ? (frame.module ?? '') : `${frame.file}:${frame.line}`;
      return `${frame.kind} ${frame.function ?? '?'} ${place}`;
    })
    .join('\n');
}

/** Name of a function without its namespaces, parameters and template arguments. */
export function bareName(frame: Frame): string {
  const name = (frame.function ?? '').replace(/\[clone [^\]]*\]/g, '').trim();
  const parameters = name.indexOf('(');
  const whole = parameters > 0 ? name.slice(0, parameters) : name;
  return whole.replace(/<.*>/g, '').replace(/^.*::/, '').replace(/^.* /, '');
}

/** Fails unless the functions stand in the stack in this order, leaf first; others may lie between. */
export function assertCalls(
  t: ExecutionContext,
  frames: readonly Frame[],
  functions: readonly string[],
): void {
  let at = 0;
  for (const frame of frames) {
    if (at < functions.length && bareName(frame) === functions[at]) at++;
  }
  t.is(at, functions.length, `${functions[at]} is not where it should be in\n${drawStack(frames)}`);
}
