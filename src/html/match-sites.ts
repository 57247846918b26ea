// Which site of one trace is which of another, of the same program or of one that was rebuilt. Pure.
import { eachLine, type StackContext } from '../report/index.js';
import { baseName, type NamedStack, type StackFrame } from '../symbols/index.js';

/** Equal for frames of one function, on whatever line. */
export function looseKey(frame: StackFrame): string {
  if (frame.kind === 'marker') return `marker ${frame.marker}`;
  const place = baseName(frame.file ?? frame.module ?? '');
  const name = frame.function ?? frame.near?.symbol ?? `+${frame.offset}`;
  return `${frame.kind} ${frame.inlined ? 1 : 0} ${place} ${name}`;
}

export const lineOf = (frame: StackFrame): number =>
  frame.kind === 'marker' ? 0 : (frame.line ?? 0);

export interface SiteKeys {
  /** Without lines. */
  loose: string;
  /** The lines, in an order that text comparison keeps. */
  lines: string;
}

/** As a reader sees stacks (see report/alike.ts): V8's ways to a call differ from run to run. */
export function siteKeys({ frames, owner }: NamedStack, context: StackContext): SiteKeys {
  const loose: string[] = [owner.kind];
  const lines: string[] = [];
  eachLine(frames, context, (frame, kind, frameCount) => {
    if (kind !== null && (frameCount >= 2 || kind === 'node')) loose.push(kind);
    else {
      loose.push(looseKey(frame));
      lines.push(String(lineOf(frame)).padStart(8, '0'));
    }
  });
  return { loose: loose.join('\n'), lines: lines.join(' ') };
}

/** The site for each of the others that has one. */
export function matchSites<Key>(
  sites: readonly (readonly [number, NamedStack])[],
  others: readonly (readonly [Key, NamedStack])[],
  keysOf: (stack: NamedStack) => SiteKeys,
): Map<Key, number> {
  const byLoose = new Map<string, { lines: string; site: number }[]>();
  for (const [site, stack] of sites) {
    const { loose, lines } = keysOf(stack);
    const list = byLoose.get(loose);
    if (list === undefined) byLoose.set(loose, [{ lines, site }]);
    else list.push({ lines, site });
  }
  const matched = new Map<Key, number>();
  const left = new Map<string, { lines: string; key: Key }[]>();
  const taken = new Set<number>();
  for (const [key, stack] of others) {
    const { loose, lines } = keysOf(stack);
    const same = byLoose.get(loose);
    if (same === undefined) continue;
    const exact = same.find((one) => one.lines === lines);
    if (exact !== undefined) {
      matched.set(key, exact.site);
      taken.add(exact.site);
      continue;
    }
    const list = left.get(loose);
    if (list === undefined) left.set(loose, [{ lines, key }]);
    else list.push({ lines, key });
  }
  const inOrder = (a: { lines: string }, b: { lines: string }) =>
    a.lines < b.lines ? -1 : a.lines > b.lines ? 1 : 0;
  for (const [loose, list] of left) {
    const same = byLoose.get(loose) ?? [];
    const free = same.filter((one) => !taken.has(one.site)).sort(inOrder);
    const into = free.length > 0 ? free : same;
    let at = -1;
    let lines: string | null = null;
    for (const one of list.sort(inOrder)) {
      if (one.lines !== lines) at++;
      lines = one.lines;
      matched.set(one.key, (into[Math.min(at, into.length - 1)] as { site: number }).site);
    }
  }
  return matched;
}
