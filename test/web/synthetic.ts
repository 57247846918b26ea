// A report as large as one gets, without a program: 100,000 frames in the call tree, 10,000 sites.
import { dataPlace, reportDocument } from '../../src/html/index.js';
import { Packer } from '../../src/html/pack.js';
import { columnTables, type ReportHead, reportSchema } from '../../src/html/report-data.js';

export interface SyntheticOptions {
  siteCount: number;
  /** Nodes of the call tree, about. */
  nodeCount: number;
}

/** Deterministic. */
function numbers(): () => number {
  let seed = 12345;
  return () => (seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0) / 2 ** 32;
}

export function syntheticData(
  { siteCount, nodeCount }: SyntheticOptions,
  nameOf = (at: number) => `library${at % 37}::module${at % 211}::function_${at}`,
  finish = (head: ReportHead) => head,
): Uint8Array {
  const random = numbers();
  const packer = new Packer();
  const functionCount = 4000;
  const strings = [''];
  for (let at = 1; at <= functionCount; at++) strings.push(nameOf(at));
  strings.push(`lib/${nameOf(1)}.cc:12`);
  const frames = Array.from({ length: functionCount + 1 }, (_one, at) => at);
  packer.add(
    'frames.kind',
    'u8',
    frames.map((at) => (at % 3 === 0 ? 1 : 0)),
  );
  packer.add('frames.name', 'u32', frames);
  packer.add('frames.full', 'u32', frames);
  packer.add(
    'frames.place',
    'u32',
    frames.map((at) => (at === 0 ? 0 : functionCount + 1)),
  );
  packer.add(
    'frames.package',
    'u16',
    frames.map((at) => (at === 0 ? 0 : 1 + (at % 30))),
  );
  packer.add(
    'frames.file',
    'u32',
    frames.map(() => 0),
  );
  packer.add(
    'frames.line',
    'u32',
    frames.map(() => 0),
  );
  // Each site branches off from the stack of an earlier one, so the tree is as wide as real ones are.
  const parent = [0];
  const frame = [0];
  const leaves: number[] = [0];
  const depths = [0];
  const perSite = Math.max(1, Math.round(nodeCount / siteCount));
  for (let site = 1; site <= siteCount; site++) {
    let at = leaves[Math.floor(random() * leaves.length)]!;
    for (let up = Math.floor(random() * 6); up > 0 && at > 0; up--) at = parent[at]!;
    if (depths[at]! > 200) at = 0;
    for (let step = 0; step < perSite; step++) {
      parent.push(at);
      frame.push(1 + Math.floor(random() * functionCount));
      at = parent.length - 1;
      depths.push(depths[parent[at]!]! + 1);
    }
    leaves.push(at);
  }
  packer.add('nodes.parent', 'u32', parent, { isDelta: true });
  packer.add('nodes.frame', 'u32', frame);
  const sites = leaves.map((_one, at) => at);
  packer.add('sites.node', 'u32', leaves, { isDelta: true });
  packer.add('sites.group', 'u32', sites, { isDelta: true });
  packer.add(
    'sites.package',
    'u16',
    sites.map((at) => (at === 0 ? 0 : 1 + (at % 30))),
  );
  packer.add('groups.site', 'u32', sites, { isDelta: true });
  const own = sites.slice(1);
  const buckets = 10;
  packer.add('cells.site', 'u32', own, { isDelta: true });
  packer.add(
    'cells.thread',
    'u8',
    own.map(() => 0),
  );
  packer.add(
    'cells.birth',
    'u16',
    own.map((at) => at % buckets),
    { isDelta: true },
  );
  packer.add(
    'cells.death',
    'u16',
    own.map(() => buckets),
    { isDelta: true },
  );
  packer.add(
    'cells.size',
    'u16',
    own.map((at) => at % 20),
  );
  packer.add(
    'cells.count',
    'f64',
    own.map((at) => 1 + (at % 9)),
  );
  packer.add(
    'cells.bytes',
    'f64',
    own.map(() => 1 + Math.floor(1e6 * random() ** 6)),
  );
  for (const table of [
    'temporary',
    'lives',
    'blocks',
    'before',
    'collections',
    'resident',
    'parts',
    'pages',
  ] as const)
    for (const name of columnTables[table]) packer.add(`${table}.${name}`, 'f64', []);
  packer.add(
    'series.maxBytes',
    'f64',
    Array.from({ length: buckets }, () => 1e9),
  );
  return packer.finish(finish(headOf(strings, buckets)));
}

/** A small report in which every text is one of these. */
export function syntheticNames(names: readonly string[]): Uint8Array {
  const name = (at: number) => names[at % names.length]!;
  return syntheticData({ siteCount: 40, nodeCount: 160 }, name, (head) => ({
    ...head,
    command: names.join(' '),
    traceName: name(0),
    packages: head.packages.map((one, at) => ({ ...one, label: name(at) })),
    threads: names.map((one) => one.slice(0, 80)),
    classes: ['', ...names],
    types: ['', ...names],
    losses: [...names],
    missing: [...names],
    hasVerdicts: true,
    verdictCheckpoint: 1,
    findings: names.map((title, at) => ({
      level: at % 2 === 0 ? 'bad' : 'warning',
      title,
      details: [name(at + 1)],
      view: 'sites',
      measure: 'live',
      group: 1,
      packageIndex: 1,
    })),
    edges: head.edges.map((edge, at) =>
      at === 3 ? { ...edge, kind: 'mark', text: name(0) } : edge,
    ),
    classTable: names.map((one) => ({
      name: one,
      objectCount: 1,
      blockCount: 1,
      sizeBytes: 1,
      jsBytes: 1,
    })),
    whys: names.map((text, at) => ({
      group: 1 + at,
      blockCount: 1,
      sizeBytes: 1,
      verdict: 1,
      type: text,
      text,
      hops: [{ place: '0x1+0x0', sizeBytes: 1, text }],
      hiddenHops: 0,
      root: text,
    })),
    memory: memoryOf(names),
    napi: names.map((label) => ({
      packageIndex: 1,
      label,
      holdsBytes: 1,
      tellsBytes: 1,
      findings: [label],
      kinds: [kindOf(label)],
      sites: [{ ...kindOf(label), className: label, node: 1 }],
    })),
  }));
}

function memoryOf(names: readonly string[]): ReportHead['memory'] {
  const row = (name: string) => ({ name, residentBytes: 1, sizeBytes: 1, count: 1 });
  const arena = {
    residentBytes: 1,
    liveAskedBytes: 1,
    liveBlockCount: 1,
    cachedBytes: 0,
    freeBytes: 0,
    topBytes: 0,
    largestFreeBytes: 0,
    trimmableBytes: 0,
  };
  const page = { pageCount: 1, liveBytes: 1 };
  const spaceSum = { usedBytes: 1, committedBytes: 1, physicalBytes: 1, availableBytes: 0 };
  return {
    missing: '',
    hiddenCheckpointCount: 3,
    timeline: null,
    checkpoints: names.map((text, at) => ({
      number: at + 1,
      atNs: at,
      residentBytes: 4096,
      swappedBytes: 1,
      heap: null,
      v8: { spaces: [{ name: text, ...spaceSum }], total: spaceSum, texts: [text] },
      parts: [
        {
          ...row(text),
          kind: 'files',
          label: text,
          rows: names.map(row),
          hiddenRows: { count: 1, residentBytes: 1 },
        },
      ],
      verdicts: [{ verdict: 'leak', level: 'bad', title: text, facts: [text], remedies: [text] }],
      arenas: [{ ...arena, name: text }],
      hiddenArenaCount: 1,
      pages: [{ text, ...page }],
      sizes: [{ upToBytes: 16, blockCount: 1, sizeBytes: 16, ...page }],
      pinning: names.map((className, place) => ({
        group: 1 + place,
        packageIndex: 1,
        blockCount: 1,
        sizeBytes: 16,
        pageCount: 1,
        keptBytes: 4000.5,
        ageNs: 5,
        className,
      })),
      hiddenPinning: { count: 1, keptBytes: 1 },
      map: null,
      notes: [text],
    })),
  };
}

const kindOf = (kind: string) => ({
  kind,
  createdCount: 1,
  releasedCount: 0,
  finalizedCount: 0,
  tornDownCount: 0,
  outstandingCount: 1,
  value: '1 strong',
});

function headOf(strings: string[], buckets: number): ReportHead {
  return {
    schema: reportSchema,
    memprofVersion: '0.0.0',
    traceName: 'synthetic.mprof',
    command: 'synthetic',
    pid: 1,
    nodeVersion: null,
    startRealtimeMs: 0,
    durationNs: 1e9,
    ended: 'ended with status 0',
    isEndedWell: true,
    hasEvents: true,
    isComplete: true,
    totals: {
      allocationCount: 1,
      allocatedBytes: 1,
      releaseCount: 0,
      temporaryCount: 0,
      peakBytes: 1,
      peakBlockCount: 1,
      peakNs: 0,
      liveBytes: 1,
      liveCount: 1,
      momentText: 'at the end',
      endBytes: 1,
      endCount: 1,
    },
    edges: Array.from({ length: buckets + 1 }, (_one, at) => ({
      atNs: at * 1e8,
      kind: at === 0 ? 'start' : at === buckets ? 'end' : 'time',
      text: '',
    })),
    defaultEndEdge: buckets,
    peakEdge: -1,
    packages: Array.from({ length: 31 }, (_one, at) => ({
      label: at === 0 ? '(no stack)' : `package-${at} 1.0.${at}`,
      kind: at === 0 ? 'unknown' : 'package',
    })),
    threads: ['main'],
    runtimePackages: [],
    strings,
    classes: [''],
    types: [''],
    losses: [],
    missing: [],
    findings: [],
    checkpoints: [],
    verdictCheckpoint: null,
    hasVerdicts: false,
    classTable: [],
    whys: [],
    napi: [],
    memory: {
      checkpoints: [],
      hiddenCheckpointCount: 0,
      missing: 'No checkpoint.',
      timeline: null,
    },
    sources: [],
    coarseness: 1,
    compared: null,
  };
}

export function documentOf(template: string, gzipped: Uint8Array): string {
  if (!template.includes(dataPlace)) throw new Error('the page is not built');
  return reportDocument(template, gzipped, 'synthetic');
}
