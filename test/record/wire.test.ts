import test from 'ava';
import {
  EventType,
  ExitKind,
  MarkKind,
  ResourceEnd,
  recordWords,
  Teardown,
} from '../../src/ledger/index.js';
import {
  FrameKind,
  HeapPart,
  heapPartCount,
  Marker,
  OwnerHold,
  Reach,
  ResourceKind,
} from '../../src/model/index.js';
import * as checkpoint from '../../src/record/checkpoint-wire.js';
import * as wire from '../../src/record/wire.js';
import { buildWireDump } from './support.js';

interface Layout {
  fields: Record<string, [offset: number, bytes: number]>;
  magics: Record<string, string>;
  constants: Record<string, number>;
  sizes: Record<string, number>;
}

const dump = buildWireDump();
test.after.always(() => dump.remove());
const layout = dump.layout() as Layout;

/** MP_ALLOC_POSIX_MEMALIGN is posixMemalign of EventType, and so on. */
const groups: [prefix: string, names: Record<string, number>][] = [
  ['MP_ALLOC_', EventType],
  ['MP_SESSION_', wire.SessionFlag],
  ['MP_CHECKPOINT_', checkpoint.CheckpointReason],
  ['MP_SCAN_', checkpoint.ScanState],
  ['MP_ISOLATE_', checkpoint.IsolateFlag],
  ['MP_OWNERS_', checkpoint.OwnersState],
  ['MP_OWNER_', OwnerHold],
  ['MP_BLOCK_', checkpoint.BlockFlag],
  ['MP_REACH_', Reach],
  ['MP_RANGE_', checkpoint.RangeKind],
  ['MP_PART_', { ...HeapPart, count: heapPartCount }],
  ['MP_WALK_', checkpoint.WalkFlag],
  ['MP_RESOURCE_END_', ResourceEnd],
  ['MP_RESOURCE_', ResourceKind],
  ['MP_UNTRACED_', wire.Untraced],
  ['MP_STATE_', wire.State],
  ['MP_STOP_', wire.StopReason],
  ['MP_CLOCK_', wire.ClockMode],
  ['MP_READER_', wire.ReaderState],
  ['MP_TEARDOWN_', Teardown],
  ['MP_EXIT_', { ...ExitKind, '': EventType.exit }],
  ['MP_FRAME_', FrameKind],
  ['MP_MARKER_', Marker],
  ['MP_MARK_', MarkKind],
  ['MP_META_', wire.MetaType],
  ['MP_MODULE_', wire.ModuleFlag],
  ['MP_CODE_', wire.CodeKind],
  ['MP_', EventType],
];
const others: Record<string, number> = {
  MP_WIRE_ABI: wire.wireAbi,
  MP_PAGE: wire.pageBytes,
  MP_STACK_CHUNK_NODES: wire.stackChunkNodes,
  MP_MAX_FRAMES: wire.maxFrames,
  MP_STACK_FIRST_FREE_ID: 6,
  MP_ALLOC_LAST: EventType.allocLast,
  MP_EXIT_UNDERSCORE: ExitKind.underscore,
  MP_EXIT: EventType.exit,
  MP_MARK: EventType.mark,
  MP_RESOURCE_NEW: EventType.resourceNew,
  MP_RESOURCE_END: EventType.resourceEnd,
  MP_RESOURCE_CHANGE: EventType.resourceChange,
  MP_BLOCK_TYPE: EventType.blockType,
  MP_BLOCK_IGNORE: EventType.blockIgnore,
};

function camel(name: string): string {
  return name.toLowerCase().replace(/_(.)/g, (_, letter: string) => letter.toUpperCase());
}

function numberHere(name: string): number | undefined {
  if (name in others) return others[name];
  for (const [prefix, names] of groups) {
    if (name.startsWith(prefix)) return names[camel(name.slice(prefix.length))];
  }
  return undefined;
}

test('every number of wire.h that the dump knows is the same here', (t) => {
  for (const [name, value] of Object.entries(layout.constants)) {
    if (name !== 'end') t.is(numberHere(name), value, name);
  }
  t.is(layout.sizes['StackNode'], wire.stackNodeBytes);
  t.is(layout.sizes['OwnerRow'], checkpoint.ownerRowBytes);
  t.is(layout.sizes['IsolateRow'], checkpoint.isolateRowBytes);
  t.is(layout.sizes['SpaceRow'], checkpoint.spaceRowBytes);
  t.is(layout.sizes['ScanRange'], checkpoint.scanRangeBytes);
  t.is(layout.sizes['ScanRegion'], checkpoint.scanRegionBytes);
  t.is(layout.sizes['ScanFrame'], checkpoint.scanFrameBytes);
  t.is(layout.sizes['HeapRow'], checkpoint.heapRowBytes);
  t.is(layout.sizes['PageRange'], checkpoint.pageRangeBytes);
  t.is(BigInt(`0x${layout.magics['MP_WIRE_MAGIC_PICTURE']}`), wire.Magic.picture);
  t.is(BigInt(`0x${layout.magics['MP_WIRE_MAGIC_CHECKPOINT']}`), wire.Magic.checkpoint);
  t.is(BigInt(`0x${layout.magics['MP_WIRE_MAGIC_BLOCKS']}`), wire.Magic.blocks);
  t.is(BigInt(`0x${layout.magics['MP_WIRE_MAGIC_SESSION']}`), wire.Magic.session);
  t.is(BigInt(`0x${layout.magics['MP_WIRE_MAGIC_PROCESS']}`), wire.Magic.process);
  t.is(BigInt(`0x${layout.magics['MP_WIRE_MAGIC_RING']}`), wire.Magic.ring);
});

test('every field of wire.h has the same offset here, and none is missing', (t) => {
  const structs: Record<string, Record<string, number>> = {
    SessionHeader: wire.SessionHeader,
    ProcessHeader: wire.ProcessHeader,
    RingHeader: wire.RingHeader,
    StackNode: wire.StackNode,
    CheckpointHeader: checkpoint.CheckpointHeader,
    HeapFigures: checkpoint.HeapFigures,
    IsolateRow: checkpoint.IsolateRow,
    SpaceRow: checkpoint.SpaceRow,
    OwnerRow: checkpoint.OwnerRow,
    BlocksHeader: checkpoint.BlocksHeader,
    ScanRange: checkpoint.ScanRange,
    ScanRegion: checkpoint.ScanRegion,
    ScanFrame: checkpoint.ScanFrame,
    PictureHeader: checkpoint.PictureHeader,
    HeapRow: checkpoint.HeapRow,
    PageRange: checkpoint.PageRange,
  };
  const here: Record<string, number> = {};
  for (const [struct, fields] of Object.entries(structs)) {
    for (const [field, offset] of Object.entries(fields)) here[`${struct}.${field}`] = offset;
  }
  const there = Object.fromEntries(
    Object.entries(layout.fields).map(([name, [offset]]) => [name, offset]),
  );
  delete there['end'];
  t.deepEqual(here, there);
});

test('record lengths are those that wire.h gives in words', (t) => {
  const expected: [number, number][] = [
    [EventType.malloc, 3],
    [EventType.pvalloc, 3],
    [EventType.free, 2],
    [EventType.freeAlignedSized, 2],
    [EventType.map, 4],
    [EventType.unmap, 3],
    [EventType.remap, 6],
    [EventType.heapBreak, 4],
    [EventType.threadBegin, 3],
    [EventType.threadEnd, 1],
    [EventType.threadName, 4],
    [EventType.mark, 3],
    [EventType.fork, 2],
    [EventType.exit, 2],
    [EventType.lost, 2],
    [EventType.resourceNew, 7],
    [EventType.resourceEnd, 3],
    [EventType.resourceChange, 4],
  ];
  for (const [type, words] of expected) t.is(recordWords(type), words);
  for (const type of [0, 0x0a, 0x1f, 0x24, 0x2f, 0x34, 0x54, 0xff]) t.is(recordWords(type), 0);
});
