// A report's columns as the page holds them. Must not import anything but pack and report-data: it runs in browsers.
import type { Unpacked } from './pack.js';
import { type ReportHead, type TimelinePart, timelineParts } from './report-data.js';

export interface CellTable {
  site: Uint32Array;
  thread: Uint8Array;
  birth: Uint16Array;
  death: Uint16Array;
  size: Uint16Array;
  count: Float64Array;
  bytes: Float64Array;
}

export interface PageData {
  head: ReportHead;
  bucketCount: number;
  frames: {
    kind: Uint8Array;
    name: Uint32Array;
    full: Uint32Array;
    place: Uint32Array;
    package: Uint16Array;
    file: Uint32Array;
    line: Uint32Array;
  };
  nodes: { parent: Uint32Array; frame: Uint32Array };
  sites: { node: Uint32Array; group: Uint32Array; package: Uint16Array };
  groups: { site: Uint32Array };
  cells: CellTable;
  temporary: {
    site: Uint32Array;
    thread: Uint8Array;
    bucket: Uint16Array;
    count: Float64Array;
    bytes: Float64Array;
  };
  lives: {
    site: Uint32Array;
    thread: Uint8Array;
    life: Uint16Array;
    count: Float64Array;
    bytes: Float64Array;
  };
  blocks: {
    site: Uint32Array;
    thread: Uint8Array;
    birth: Uint16Array;
    size: Uint8Array;
    verdict: Uint8Array;
    type: Uint16Array;
    class: Uint16Array;
    count: Float64Array;
    bytes: Float64Array;
  };
  before: { site: Uint32Array; count: Float64Array; bytes: Float64Array };
  series: { maxBytes: Float64Array };
  collections: { count: Float64Array; pause: Float64Array };
  resident: { at: Float64Array; bytes: Float64Array; live: Float64Array; lag: Float64Array };
  parts: { at: Float64Array; bytes: Float64Array } & Record<TimelinePart, Float64Array>;
  pages: { occupancy: Uint8Array; age: Uint8Array; package: Uint16Array };
}

export function pageData({ head, column }: Unpacked<ReportHead>): PageData {
  const u8 = (name: string) => column(name) as Uint8Array;
  const u16 = (name: string) => column(name) as Uint16Array;
  const u32 = (name: string) => column(name) as Uint32Array;
  const f64 = (name: string) => column(name) as Float64Array;
  return {
    head,
    bucketCount: head.edges.length - 1,
    frames: {
      kind: u8('frames.kind'),
      name: u32('frames.name'),
      full: u32('frames.full'),
      place: u32('frames.place'),
      package: u16('frames.package'),
      file: u32('frames.file'),
      line: u32('frames.line'),
    },
    nodes: { parent: u32('nodes.parent'), frame: u32('nodes.frame') },
    sites: { node: u32('sites.node'), group: u32('sites.group'), package: u16('sites.package') },
    groups: { site: u32('groups.site') },
    cells: {
      site: u32('cells.site'),
      thread: u8('cells.thread'),
      birth: u16('cells.birth'),
      death: u16('cells.death'),
      size: u16('cells.size'),
      count: f64('cells.count'),
      bytes: f64('cells.bytes'),
    },
    temporary: {
      site: u32('temporary.site'),
      thread: u8('temporary.thread'),
      bucket: u16('temporary.bucket'),
      count: f64('temporary.count'),
      bytes: f64('temporary.bytes'),
    },
    lives: {
      site: u32('lives.site'),
      thread: u8('lives.thread'),
      life: u16('lives.life'),
      count: f64('lives.count'),
      bytes: f64('lives.bytes'),
    },
    blocks: {
      site: u32('blocks.site'),
      thread: u8('blocks.thread'),
      birth: u16('blocks.birth'),
      size: u8('blocks.size'),
      verdict: u8('blocks.verdict'),
      type: u16('blocks.type'),
      class: u16('blocks.class'),
      count: f64('blocks.count'),
      bytes: f64('blocks.bytes'),
    },
    before: { site: u32('before.site'), count: f64('before.count'), bytes: f64('before.bytes') },
    series: { maxBytes: f64('series.maxBytes') },
    collections: { count: f64('collections.count'), pause: f64('collections.pause') },
    resident: {
      at: f64('resident.at'),
      bytes: f64('resident.bytes'),
      live: f64('resident.live'),
      lag: f64('resident.lag'),
    },
    parts: {
      at: f64('parts.at'),
      bytes: f64('parts.bytes'),
      ...(Object.fromEntries(timelineParts.map((part) => [part, f64(`parts.${part}`)])) as Record<
        TimelinePart,
        Float64Array
      >),
    },
    pages: {
      occupancy: u8('pages.occupancy'),
      age: u8('pages.age'),
      package: u16('pages.package'),
    },
  };
}
