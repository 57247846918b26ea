// Fragmentation as text: the verdict in words, arenas, pages, sites that keep pages. Pure: values in, lines out.

import type {
  Fragmentation,
  MemoryFinding,
  OtherAllocator,
  PageClass,
  Remedy,
} from '../memory/index.js';
import { type Checkpoint, type MemoryPicture, pageBytes } from '../model/index.js';
import { allocatorLossText, allocatorText } from './allocator.js';
import { escapeText } from './escape.js';
import type { Style } from './style.js';
import { type Column, renderTable } from './table.js';
import { formatBytes, formatCount, formatDuration, formatPercent } from './units.js';
import { classText } from './verdict-words.js';

/** What was found, a paragraph each. `leaksCommand`: what to type to see where. */
export function* verdictLines(
  findings: readonly (MemoryFinding & { sites?: readonly GoneSite[] })[],
  leaksCommand: string,
  style: Style,
): Iterable<string> {
  if (findings.length === 0)
    yield 'Nothing stands out: no leak, little released memory that stays resident.';
  for (const [at, finding] of findings.entries()) {
    if (at > 0) yield '';
    const { title, facts, remedies } = verdictWords(finding, leaksCommand);
    yield style.strong(title);
    for (const text of [...facts, ...remedies]) yield `  ${text}`;
  }
}

/** `leaksCommand`: where to look for a leak's place. */
export function verdictWords(
  finding: MemoryFinding & { sites?: readonly GoneSite[] },
  leaksCommand: string,
): { title: string; facts: string[]; remedies: string[] } {
  const [title, ...facts] = sentences(finding);
  const remedies = finding.remedies.map((remedy) => remedyText(remedy, leaksCommand));
  facts.push(...(finding.sites ?? []).map(goneText));
  return { title: title as string, facts, remedies };
}

/** Of a program whose allocator is not glibc's, or that has one beside; null: it is glibc's alone. */
export function otherAllocatorText(
  memory: MemoryPicture | undefined,
  allocator: OtherAllocator | null,
): string | null {
  if (memory === undefined) return null;
  const { heaps, stray } = memory;
  if (allocator !== null) {
    const blocks = `${formatCount(stray.blockCount)} live blocks, ${formatBytes(stray.askedBytes)}`;
    const unknown =
      'How full its memory is, what it keeps of released memory and what would give it back is not known';
    const loss = allocatorLossText(allocator);
    const said =
      allocator.passedBy === null
        ? [`The program's allocator is ${allocatorText(allocator)}, not glibc's (${blocks})`]
        : [];
    if (loss !== null) said.push(loss);
    return [...said, unknown].map((text) => `${text}.`).join(' ');
  }
  if (heaps.length > 0) return null;
  return `No heap of glibc's allocator was found: the program has another allocator (${formatCount(stray.blockCount)} live blocks, ${formatBytes(stray.askedBytes)}), whose insides memprof does not know.`;
}

/** Where blocks came from that have gone. */
export interface GoneSite {
  text: string;
  package: string;
  blockCount: number;
  sizeBytes: number;
}

function goneText({ blockCount, sizeBytes, text, package: owner }: GoneSite): string {
  const many = blockCount === 1 ? '1 block' : `${formatCount(blockCount)} blocks`;
  return `${formatBytes(sizeBytes)} of it in ${many} from ${text} (${owner})`;
}

function sentences({ verdict, bytes, ofBytes, figures }: MemoryFinding): string[] {
  const size = (name: string) => formatBytes(figures[name] ?? 0);
  const share = ofBytes > 0 ? ` (${formatPercent(bytes, ofBytes)})` : '';
  const series = () =>
    (figures['checkpointCount'] ?? 0) < 2
      ? 'One checkpoint alone does not tell whether it grows: --checkpoint 30s takes more.'
      : `${size('firstBytes')} at the first of ${formatCount(figures['checkpointCount'] ?? 0)} checkpoints, ${size('lastBytes')} at this one.`;
  switch (verdict) {
    case 'leak':
      return [
        `A leak: ${formatBytes(bytes)} that nobody can free any more`,
        `${size('lostBytes')} lost (nothing points there), ${size('orphanedBytes')} orphaned (the JavaScript object is gone).`,
      ];
    case 'growth':
      return [
        `Growth: ${formatBytes(bytes)} more is held than at the first checkpoint, and never less in between`,
        series(),
        'A leak that something still points to, or a cache without a limit.',
      ];
    case 'cache':
      return [`In use: the program holds ${formatBytes(bytes)} in native blocks`, series()];
    case 'retention':
      return [
        `Retention: ${formatBytes(bytes)}${share} of the allocator's resident memory was released by the program and kept by the allocator`,
        `Most of it lies in whole pages: malloc_trim(0) would give ${size('trimmableBytes')} back. It is no leak: the next allocations use it.`,
      ];
    case 'fragmentation': {
      const sparse = figures['sparsePageCount'];
      return [
        `Fragmentation: ${formatBytes(bytes)}${share} of the allocator's resident memory was released by the program and cannot be given back`,
        `malloc_trim(0) would give only ${size('trimmableBytes')} back: live blocks stand on the same pages.`,
        ...(sparse === undefined
          ? []
          : [
              `${formatCount(sparse)} pages (${formatBytes(sparse * pageBytes)}) are filled below a quarter, by ${size('sparseLiveBytes')} of live blocks.`,
            ]),
      ];
    }
    case 'not-collecting':
      return [...garbageSentences(bytes, share, figures), ...residentSentences(figures)];
    case 'v8-heap':
      return [
        `V8 keeps more than its objects need: ${formatBytes(bytes)} of ${size('totalBytes')} is unused after a full collection`,
        'V8 shrinks its heap slowly, and not while it expects to need it again.',
      ];
  }
}

function garbageSentences(
  bytes: number,
  share: string,
  figures: MemoryFinding['figures'],
): string[] {
  const size = (name: string) => formatBytes(figures[name] ?? 0);
  if (figures['garbageBytes'] !== undefined)
    return [
      `V8 was not collecting: ${formatBytes(bytes)}${share} of what its heap used was garbage`,
      `When it was made to collect, its heap went from ${size('usedBeforeBytes')} used to ${size('usedAfterBytes')}.`,
    ];
  const pendingBytes = figures['pendingBytes'] ?? 0;
  return [
    `V8 was not collecting: garbage held ${formatBytes(bytes)}${share} of native memory that V8 did not know of`,
    `When it was made to collect, ${size('goneBytes')} of native memory went, of which V8 had been told ${size('toldGoneBytes')}.`,
    ...(pendingBytes === 0 ? [] : [`${formatBytes(pendingBytes)} wait for their finalizers.`]),
  ];
}

function residentSentences(figures: MemoryFinding['figures']): string[] {
  const before = figures['residentBeforeBytes'] ?? 0;
  if (before === 0) return [];
  return [
    `The process had ${formatBytes(before)} resident before, and ${formatBytes(figures['residentAfterBytes'] ?? 0)} at the checkpoint.`,
  ];
}

function remedyText(remedy: Remedy, leaksCommand: string): string {
  switch (remedy) {
    case 'find-leak':
      return `See where: ${leaksCommand}`;
    case 'find-growth':
      return `See what grows and who holds it: ${leaksCommand}`;
    case 'arena-max':
      return 'Several arenas keep memory of their own: MALLOC_ARENA_MAX=2 in the environment makes them share.';
    case 'trim':
      return 'malloc_trim(0) now and then, or MALLOC_TRIM_THRESHOLD_=131072 MALLOC_TOP_PAD_=0 in the environment, gives it back sooner.';
    case 'other-allocator':
      return 'jemalloc or mimalloc (LD_PRELOAD=libjemalloc.so.2) give pages back by themselves.';
    case 'pool-sites':
      return 'Blocks that live long, allocated among many that do not, keep these pages: pool them, or allocate them before.';
    case 'v8-size':
      return 'A smaller heap limit (node --max-old-space-size) or --max-semi-space-size makes V8 give back earlier.';
    case 'announce-external':
      return 'Tell V8 what an object holds outside of its heap: napi_adjust_external_memory when it is allocated, and the same taken back when it is freed. Then V8 collects in time.';
    case 'collect-earlier':
      return 'V8 collects late where it has room: node --max-old-space-size makes it collect earlier; --max-semi-space-size lets short-lived objects die before they get old.';
    case 'collect-now':
      return 'To see whether it helps: node --expose-gc and globalThis.gc() now and then. A release by hand (a close or dispose method) needs no collection.';
    case 'external-memory':
      return 'If JavaScript objects hold it: napi_adjust_external_memory tells V8 what they really cost.';
  }
}

const right = (title: string): Column => ({ title, align: 'right' });

export function* arenaTable(
  { arenas }: Fragmentation,
  options: { columns: number; style: Style; limit: number },
): Iterable<string> {
  const { style, columns, limit } = options;
  const cells = arenas
    .slice(0, limit)
    .map((arena) => [
      formatBytes(arena.residentBytes),
      formatBytes(arena.liveAskedBytes),
      formatCount(arena.liveBlockCount),
      formatBytes(arena.cachedBytes),
      formatBytes(arena.freeBytes),
      formatBytes(arena.topBytes),
      formatBytes(arena.largestFreeBytes),
      formatBytes(arena.trimmableBytes),
      arena.isMain ? 'main' : arena.arena.toString(16),
    ]);
  yield* renderTable(
    [
      { ...right('resident'), paint: style.bytes },
      right('live'),
      right('blocks'),
      right('kept'),
      right('in bins'),
      right('at end'),
      right('largest'),
      right('trim gives'),
      { title: 'arena', align: 'left', flexible: true },
    ],
    cells,
    { columns, heading: style.faint },
  );
  if (arenas.length > limit)
    yield style.faint(`${formatCount(arenas.length - limit)} more: --limit all`);
}

export const pageClassTexts = [
  'nothing lives there',
  'below 25%',
  '25% to 50%',
  '50% to 75%',
  '75% and more',
];

export function* pageTable(
  pages: readonly PageClass[],
  options: { columns: number; style: Style },
): Iterable<string> {
  const total = pages.reduce((sum, one) => sum + one.pageCount, 0);
  yield* renderTable(
    [
      { title: 'live blocks fill', align: 'left' },
      right('pages'),
      right('%'),
      { ...right('resident'), paint: options.style.bytes },
      right('live'),
    ],
    pages.map((one, at) => [
      pageClassTexts[at] ?? '',
      formatCount(one.pageCount),
      formatPercent(one.pageCount, total),
      formatBytes(one.pageCount * pageBytes),
      formatBytes(one.liveBytes),
    ]),
    { columns: options.columns, heading: options.style.faint },
  );
}

export interface PinningSite {
  blockCount: number;
  sizeBytes: number;
  pageCount: number;
  keptBytes: number;
  /** Of the oldest block. */
  ageNs: number;
  text: string;
  package: string;
  /** The class of JavaScript objects that own them; '' where none does. */
  className: string;
}

/** Of the first of these blocks that a JavaScript object owns; '': none does. */
export function ownerClassOf({ detail }: Checkpoint, rows: readonly number[]): string {
  if (detail === null) return '';
  for (const row of rows) {
    const owner = detail.ownerRow[row] ?? -1;
    if (owner < 0) continue;
    const name = detail.owners.classNames[detail.owners.classIndex[owner]!];
    if (name !== undefined) return escapeText(classText(name));
  }
  return '';
}

/** "3,120 blocks of 64 B from parser.cc:88 keep 12.1 MiB resident." */
export function pinningText(site: PinningSite): string {
  const each = Math.round(site.sizeBytes / site.blockCount);
  const many = site.blockCount === 1 ? '1 block' : `${formatCount(site.blockCount)} blocks`;
  const about = each * site.blockCount === site.sizeBytes ? '' : 'about ';
  const owner = site.className === '' ? '' : `, owned by ${site.className}`;
  const keep = site.blockCount === 1 ? 'keeps' : 'keep';
  const pages = site.pageCount === 1 ? '1 page' : `${formatCount(site.pageCount)} pages`;
  return `${many} of ${about}${formatBytes(each)} from ${site.text} (${site.package}) ${keep} ${formatBytes(Math.round(site.keptBytes))} resident on ${pages}; the oldest is ${formatDuration(site.ageNs)} old${owner}`;
}

export function* sizeTable(
  sizes: NonNullable<Fragmentation['sizes']>,
  options: { columns: number; style: Style },
): Iterable<string> {
  yield* renderTable(
    [
      right('blocks up to'),
      right('blocks'),
      { ...right('live'), paint: options.style.bytes },
      right('pages'),
      right('these are filled'),
    ],
    sizes.map((size) => [
      formatBytes(size.upToBytes),
      formatCount(size.blockCount),
      formatBytes(size.sizeBytes),
      formatCount(size.pageCount),
      formatPercent(size.liveBytes, size.pageCount * pageBytes),
    ]),
    { columns: options.columns, heading: options.style.faint },
  );
}
