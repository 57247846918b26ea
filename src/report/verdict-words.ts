// Verdicts, and what holds a block, in words. Pure.
import type { CheckpointDetail, ModuleInfo, TraceModel, Verdict } from '../model/index.js';
import { baseName, type StackFrame } from '../symbols/index.js';
import type { PathRoot } from '../verdicts/index.js';
import { escapeText } from './escape.js';
import { frameText, type StackContext, shortPlaceOf } from './stack-text.js';
import { formatCount } from './units.js';

export const verdictText: Readonly<Record<Verdict, string>> = {
  lost: 'lost',
  'lost-indirect': 'lost behind others',
  orphaned: 'orphaned',
  pending: 'pending: a finalizer waits',
  'held-by-js': 'held by JavaScript',
  'held-by-native': 'held by native code',
  runtime: "held by Node's runtime",
  ignored: 'ignored by the program',
  unknown: 'unknown: not scanned',
};

/** Worst first. */
export const verdictOrder: readonly Verdict[] = [
  'lost',
  'orphaned',
  'lost-indirect',
  'pending',
  'held-by-native',
  'held-by-js',
  'runtime',
  'ignored',
  'unknown',
];

/** Where a global lies: the symbol that holds the address, as far as there is one. */
export interface DataName {
  symbol: string;
  offsetBytes: number;
}

/** What is known of roots beyond their addresses. */
export interface RootNames {
  data(root: PathRoot): DataName | null;
  frame(root: PathRoot): StackFrame | null;
  /** The way from the object to what keeps it alive, nearest first; null where no heap snapshot tells. */
  retainers(ownerRow: number): readonly string[] | null;
  /** The class whose vtable holds the address; null: it is no vtable's, or has no symbol. */
  classOf(word: number): string | null;
}

export const noRootNames: RootNames = {
  data: () => null,
  frame: () => null,
  retainers: () => null,
  classOf: () => null,
};

export function rootText(
  root: PathRoot,
  detail: CheckpointDetail,
  model: TraceModel,
  names: RootNames,
  context: StackContext,
): string {
  const threadOf = (tid: number) => `thread ${threadText(model, tid)}`;
  switch (root.kind) {
    case 'owner': {
      const { owners } = detail;
      const className = owners.classNames[owners.classIndex[root.ownerRow]] ?? '';
      return [`${classText(className)} (JS)`, ...(names.retainers(root.ownerRow) ?? [])]
        .map(escapeText)
        .join(' <- ');
    }
    case 'global': {
      const module = model.modules.find((one) => one.id === root.moduleId);
      const text = globalText(root.address, module, names.data(root));
      // One of its thousand globals, by which the search came to it first: the symbol alone would mislead.
      return context.isNode && module?.isExecutable === true
        ? `Node's runtime, through ${text}`
        : text;
    }
    case 'tls':
      return `thread-local memory of ${threadOf(root.tid)}`;
    case 'stack': {
      const frame = names.frame(root);
      if (frame === null) return `the stack of ${threadOf(root.tid)}`;
      const place = shortPlaceOf(frame, context);
      const where = place === '' ? '' : ` (${place})`;
      return `the stack of ${threadOf(root.tid)}, in ${frameText(frame)}${where}`;
    }
    case 'register':
      return `a register of ${threadOf(root.tid)}`;
    case 'mapping':
      return `mapped memory at ${addressText(root.address)}`;
    case 'v8':
      return "V8's heap, by an object that is not known";
    case 'nothing':
      return 'nothing points to it';
    case 'unknown':
      return 'not known: the checkpoint was not scanned';
  }
}

function globalText(
  address: number,
  module: ModuleInfo | undefined,
  name: DataName | null,
): string {
  if (module === undefined) return `global data at ${addressText(address)}`;
  const file = escapeText(baseName(module.path));
  const offset = (bytes: number) => (bytes === 0 ? '' : `+0x${bytes.toString(16)}`);
  if (name !== null) return `${escapeText(name.symbol)}${offset(name.offsetBytes)} in ${file}`;
  return `global data of ${file}${offset(address - module.base)}`;
}

export function threadText(model: TraceModel, tid: number): string {
  if (tid === model.process.pid) return 'main';
  const name = model.threads.findLast((thread) => thread.tid === tid)?.name ?? '';
  return name === '' ? String(tid) : `${escapeText(name)} (${tid})`;
}

export const addressText = (address: number): string => `0x${address.toString(16)}`;

export const classText = (className: string): string =>
  className === '' ? '(unnamed class)' : className;

/** Of an orphaned block: what became of its object. */
export function orphanText(className: string, lastSeen: number, number: number): string {
  const object = `its ${escapeText(className === '' ? 'object' : className)} was collected`;
  const ago = number - lastSeen;
  const when =
    lastSeen === 0
      ? ''
      : ` after checkpoint ${lastSeen} (${ago === 1 ? 'the one before' : `${formatCount(ago)} checkpoints ago`})`;
  return `${object}${when}, nobody called free`;
}
