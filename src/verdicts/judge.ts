// A verdict for every live block of a checkpoint. Pure but for the memory that it is given.
//
// In words: what JavaScript reaches is held by it; what globals, threads and mappings reach is held by native
// code; a block whose object is known to be gone is orphaned, whatever stale word still points to it; what
// Node allocated for itself is the runtime's as long as it is reached.
import {
  type Checkpoint,
  type CheckpointDetail,
  type CheckpointPools,
  type LiveSet,
  OwnerHold,
  type OwnerTable,
  objectResources,
  Reach,
  type Reachability,
  ResourceKind,
  type ResourceTable,
  type StackId,
  type Tally,
  type Verdict,
} from '../model/index.js';
import { BlockIndex } from './block-index.js';
import { findRoots, type Roots } from './chains.js';
import type { OwnerMemory } from './owner-memory.js';

/** As MP_BLOCK_* in interpose/wire.h. */
export const BlockFlag = { runtime: 1, ours: 2, pool: 4 } as const;

/** Resources whose object was collected, or whose environment ended: their data should have been freed. */
export type EndedResources = Pick<
  ResourceTable,
  'count' | 'kind' | 'createdNs' | 'data' | 'classIndex' | 'classNames'
>;

export interface JudgeInput {
  number: number;
  live: LiveSet;
  /** bornNs and createdNs divided by it are ticks. */
  nsPerTick: number;
  /** Of each row of `live`: BlockFlag. */
  flags: Uint8Array;
  owners: OwnerTable;
  /** False: an object that is not in `owners` may exist all the same. */
  ownersComplete: boolean;
  reachability: Reachability | null;
  pendingFinalizerCount: number;
  /** Of `live`, where there is one already; needed where there are `pools`. */
  index?: BlockIndex;
  /** The last rows of `live` are of pools, and lie in other blocks. */
  pools?: CheckpointPools;
  outstanding?: ResourceTable;
  /** Without those that the addon released itself. */
  ended?: EndedResources;
}

export interface Judgement {
  tallies: Tally[];
  poolTallies?: NonNullable<Checkpoint['poolTallies']>;
  classes: Checkpoint['classes'];
  detail: CheckpointDetail;
}

interface Gone {
  className: string;
  lastSeen: number;
  /** Its resource has not ended: the finalizer may still wait; 'watched': it does, for it is told when it ran. */
  isOutstanding: boolean | 'watched';
  /** That the object is gone is told, not concluded from its absence alone. */
  isCertain: boolean;
  /** An external can live where the owners' list does not look: in a function template, in a handle. */
  mayBeUnlisted: boolean;
}

/** Holds by a pointer to an object, which may be a base class inside of the block. */
const mayPointInside: ReadonlySet<number> = new Set([OwnerHold.wrap, OwnerHold.internalField]);
/** Memory that JavaScript itself asked for: its object holds it, whoever called malloc. */
const isStore = (hold: number): boolean =>
  hold === OwnerHold.arraybuffer ||
  hold === OwnerHold.sharedArraybuffer ||
  hold === OwnerHold.wasmMemory;

export function judge(input: JudgeInput, memory: OwnerMemory): Judgement {
  return new Judge(input, memory).judgement();
}

class Judge {
  private readonly input: JudgeInput;
  private readonly memory: OwnerMemory;
  private readonly index: BlockIndex;
  private readonly roots: Roots | null;
  /** Of blocks that an object itself holds: its row in the owner table. */
  private readonly directOwner: Int32Array;
  private readonly stackId: Uint32Array;
  /** 1: a handle that Node-API made for an addon. */
  private readonly isHandle: Uint8Array;
  private readonly gone = new Map<number, Gone>();
  private readonly verdict: Verdict[];

  constructor(input: JudgeInput, memory: OwnerMemory) {
    this.input = input;
    this.memory = memory;
    this.index = input.index ?? new BlockIndex(input.live);
    this.roots = input.reachability === null ? null : findRoots(input.reachability.referrerBlock);
    this.directOwner = new Int32Array(input.live.count).fill(-1);
    this.stackId = input.live.stackId.slice();
    this.isHandle = new Uint8Array(input.live.count);
    // At its full length from the start: growing leaves copies behind that are as large.
    this.verdict = new Array<Verdict>(input.live.count).fill('unknown');
  }

  judgement(): Judgement {
    const { input } = this;
    this.joinOwners();
    this.giveHandlesToAddons();
    this.findGone();
    const ownerRow = this.ownerRows();
    const orphans = this.decide(ownerRow);
    this.remember();
    const poolsFrom = input.pools?.firstRow ?? input.live.count;
    return {
      tallies: this.tally(0, poolsFrom),
      ...(input.pools === undefined ? {} : { poolTallies: this.poolTallies(input.pools) }),
      classes: classesOf(input.owners, input.live, ownerRow, poolsFrom),
      detail: {
        live: { ...input.live, stackId: this.stackId },
        verdict: this.verdict,
        owners: input.owners,
        reachability: input.reachability,
        ownerRow,
        orphans,
        ...(input.pools === undefined ? {} : { pools: input.pools }),
      },
    };
  }

  private joinOwners(): void {
    const { owners } = this.input;
    for (let row = 0; row < owners.count; row++) {
      const block = this.blockHeld(owners.address[row], mayPointInside.has(owners.hold[row]));
      if (block >= 0 && this.directOwner[block] < 0) this.directOwner[block] = row;
    }
  }

  private blockHeld(address: number, mayBeInside: boolean): number {
    if (address === 0) return -1;
    const block = this.index.rowAt(address);
    return block >= 0 && (mayBeInside || this.input.live.address[block] === address) ? block : -1;
  }

  private giveHandlesToAddons(): void {
    const { outstanding } = this.input;
    if (outstanding === undefined) return;
    for (let at = 0; at < outstanding.count; at++) {
      const block = this.blockHeld(outstanding.handle[at], false);
      if (block < 0) continue;
      this.stackId[block] = outstanding.stackId[at];
      this.isHandle[block] = 1;
    }
  }

  private isRuntime(row: number): boolean {
    const flag = this.input.flags[row] & ~BlockFlag.pool;
    return flag !== 0 && this.isHandle[row] === 0;
  }

  private bornTick(row: number): number {
    return Math.round(this.input.live.bornNs[row] / this.input.nsPerTick);
  }

  /** Of the block that was made there then; -1: it is gone. */
  private rowOf(address: number, bornTick: number): number {
    const row = this.blockHeld(address, false);
    return row >= 0 && this.bornTick(row) === bornTick ? row : -1;
  }

  private findGone(): void {
    const { outstanding, ended, ownersComplete } = this.input;
    if (ownersComplete) {
      for (const { address, bornTick, className, lastSeen } of this.memory.entries()) {
        const row = this.rowOf(address, bornTick);
        if (row < 0 || this.directOwner[row] >= 0 || this.isRuntime(row)) continue;
        this.gone.set(row, {
          className,
          lastSeen,
          isOutstanding: false,
          isCertain: true,
          mayBeUnlisted: false,
        });
      }
    }
    // First those that are over: a block may have been handed from one object to another.
    if (ended !== undefined) this.addGone(ended, false);
    if (outstanding !== undefined && ownersComplete)
      this.addGone(outstanding, true, outstanding.isWatched);
  }

  private addGone(resources: EndedResources, isOutstanding: boolean, isWatched?: Uint8Array): void {
    const { live } = this.input;
    for (let at = 0; at < resources.count; at++) {
      const kind = resources.kind[at];
      if (!objectResources.has(kind)) continue;
      // Objects with a finalizer alone are not listed among the owners: their absence says nothing.
      if (isOutstanding && kind === ResourceKind.finalizer) continue;
      const row = this.blockHeld(resources.data[at], kind === ResourceKind.wrap);
      if (row < 0 || this.directOwner[row] >= 0 || this.isRuntime(row)) continue;
      // Younger than the resource: another block, at the address of the one that it had.
      if (live.bornNs[row] > resources.createdNs[at]) continue;
      const known = this.gone.get(row);
      const className = resources.classNames[resources.classIndex[at]] || classOfKind(kind);
      this.gone.set(row, {
        className: known?.className || className,
        lastSeen: known?.lastSeen ?? 0,
        isOutstanding: isWatched?.[at] === 1 ? 'watched' : isOutstanding,
        isCertain: !isOutstanding || known?.isCertain === true,
        mayBeUnlisted: kind === ResourceKind.external,
      });
    }
  }

  /** The owner that each block hangs from, directly or behind other blocks. */
  private ownerRows(): Int32Array {
    const { reachability } = this.input;
    const ownerRow = this.directOwner.slice();
    if (reachability === null || this.roots === null) return ownerRow;
    const { head } = this.roots;
    for (let row = 0; row < ownerRow.length; row++) {
      if (ownerRow[row] >= 0 || reachability.reach[row] !== Reach.owner) continue;
      const root = head[row] < 0 ? -1 : reachability.root[head[row]];
      if (root >= 0 && root < this.input.owners.count) ownerRow[row] = root;
    }
    return ownerRow;
  }

  private decide(ownerRow: Int32Array): CheckpointDetail['orphans'] {
    const { live, owners, reachability, pendingFinalizerCount } = this.input;
    const { verdict, gone } = this;
    const reachOf = (row: number) =>
      reachability === null ? Reach.unknown : reachability.reach[row];
    for (let row = 0; row < live.count; row++) {
      const direct = this.directOwner[row];
      const isHeldStore = direct >= 0 && isStore(owners.hold[direct]);
      verdict[row] = this.isOurs(row)
        ? 'runtime'
        : plainVerdict(reachOf(row), this.isRuntime(row), isHeldStore, direct >= 0);
    }
    const waiting = [...gone].filter(([, one]) => one.isOutstanding === true).length;
    // More objects gone than finalizers waiting: which of them wait is not known, and most do not.
    const mayWait = waiting <= pendingFinalizerCount;
    const orphans: CheckpointDetail['orphans'] = [];
    let isAnyGone = false;
    for (const [row, one] of gone) {
      const reach = reachOf(row);
      if (reach === Reach.owner || reach === Reach.unknown) continue;
      // A dead object's words stay in V8's pages until they are overwritten: a word there holds nothing that
      // is known to be gone.
      if (reach === Reach.v8 && !one.isCertain) continue;
      if (one.mayBeUnlisted && !one.isCertain && !isLost(reach)) continue;
      isAnyGone = true;
      if (one.isOutstanding === 'watched' || (one.isOutstanding && mayWait)) {
        verdict[row] = 'pending';
        continue;
      }
      verdict[row] = 'orphaned';
      orphans.push({ block: row, className: one.className, lastSeen: one.lastSeen });
    }
    if (isAnyGone) this.followGone(ownerRow);
    const { announced } = live;
    if (announced === undefined) return orphans.sort((a, b) => a.block - b.block);
    this.leaveOut(announced.isIgnored);
    return orphans
      .filter((one) => announced.isIgnored[one.block] === 0)
      .sort((a, b) => a.block - b.block);
  }

  /** What the program wants ignored, and what is lost only because nothing else points to it. */
  private leaveOut(isIgnored: Uint8Array): void {
    const { verdict } = this;
    for (let row = 0; row < verdict.length; row++)
      if (isIgnored[row] !== 0) verdict[row] = 'ignored';
    const { reachability } = this.input;
    if (reachability === null || this.roots === null) return;
    for (const row of this.roots.order) {
      const holder = reachability.referrerBlock[row];
      if (holder >= 0 && verdict[holder] === 'ignored' && verdict[row] === 'lost-indirect')
        verdict[row] = 'ignored';
    }
  }

  private isOurs(row: number): boolean {
    return (this.input.flags[row] & BlockFlag.ours) !== 0;
  }

  /** What hangs from an orphaned or pending block goes with it, as far as it is not Node's. */
  private followGone(ownerRow: Int32Array): void {
    const { reachability } = this.input;
    if (reachability === null || this.roots === null) return;
    const { verdict } = this;
    const behind: (Verdict | undefined)[] = [];
    for (const row of this.roots.order) {
      const holder = reachability.referrerBlock[row];
      if (holder < 0 || holder >= verdict.length || this.isRuntime(row)) continue;
      const fate = behind[holder] ?? fateBehind(verdict[holder]);
      if (fate === undefined || ownerRow[row] >= 0) continue;
      behind[row] = fate;
      if (verdict[row] !== 'orphaned' && verdict[row] !== 'pending') verdict[row] = fate;
    }
  }

  private remember(): void {
    const { live, owners, number } = this.input;
    this.memory.update(
      {
        count: live.count,
        addressOf: (row) => live.address[row],
        bornTickOf: (row) => this.bornTick(row),
        rowOf: (address, bornTick) => this.rowOf(address, bornTick),
        classNameOf: (row) => {
          const owner = this.directOwner[row];
          if (owner < 0 || this.isRuntime(row)) return null;
          return owners.classNames[owners.classIndex[owner]] ?? '';
        },
      },
      number,
    );
  }

  private poolTallies({
    firstRow,
    poolIndex,
    pools,
  }: CheckpointPools): NonNullable<Judgement['poolTallies']> {
    const names = [...new Set(pools.map((pool) => pool.name))];
    return names.flatMap((poolName) =>
      this.tally(
        firstRow,
        this.input.live.count,
        (row) => pools[poolIndex[row - firstRow]].name === poolName,
      ).map((tally) => ({ ...tally, poolName })),
    );
  }

  private tally(from: number, to: number, isMeant: (row: number) => boolean = () => true): Tally[] {
    const { live } = this.input;
    const byStack = new Map<number, Map<Verdict, Tally>>();
    const tallies: Tally[] = [];
    for (let row = from; row < to; row++) {
      if (!isMeant(row)) continue;
      const stackId = this.stackId[row];
      const verdict = this.verdict[row];
      let ofStack = byStack.get(stackId);
      if (ofStack === undefined) byStack.set(stackId, (ofStack = new Map()));
      let tally = ofStack.get(verdict);
      if (tally === undefined) {
        tally = { stackId: stackId as StackId, verdict, blockCount: 0, sizeBytes: 0 };
        ofStack.set(verdict, tally);
        tallies.push(tally);
      }
      tally.blockCount++;
      tally.sizeBytes += live.sizeBytes[row];
    }
    return tallies;
  }
}

/** Where nobody noted the class: what these calls make. */
function classOfKind(kind: number): string {
  if (kind === ResourceKind.external) return 'External';
  if (kind === ResourceKind.externalBuffer) return 'Buffer';
  return kind === ResourceKind.externalArraybuffer ? 'ArrayBuffer' : '';
}

function plainVerdict(
  reach: number,
  isRuntime: boolean,
  isHeldStore: boolean,
  hasOwner: boolean,
): Verdict {
  switch (reach) {
    case Reach.lost:
      // The scan may have followed no owner to it, but one was listed.
      return hasOwner ? 'held-by-js' : 'lost';
    case Reach.lostIndirect:
      return hasOwner ? 'held-by-js' : 'lost-indirect';
    case Reach.owner:
    case Reach.v8:
      return isRuntime && !isHeldStore ? 'runtime' : 'held-by-js';
    case Reach.global:
    case Reach.tls:
    case Reach.stack:
    case Reach.register:
    case Reach.mapping:
      if (isHeldStore) return 'held-by-js';
      return isRuntime ? 'runtime' : 'held-by-native';
    default:
      return hasOwner && (isHeldStore || !isRuntime) ? 'held-by-js' : 'unknown';
  }
}

/** `count`: of the rows of `live` that count; behind them are those of pools, whose bytes lie in other blocks. */
function classesOf(
  owners: OwnerTable,
  live: LiveSet,
  ownerRow: Int32Array,
  count: number,
): Checkpoint['classes'] {
  const classes = new Map<number, Checkpoint['classes'][number]>();
  // Class and object of each row in one double: equal ones stand together when they are sorted.
  const keys = new Float64Array(owners.count);
  for (let row = 0; row < owners.count; row++)
    keys[row] = owners.classIndex[row] * 2 ** 32 + owners.object[row];
  keys.sort();
  for (let at = 0; at < keys.length; at++) {
    if (at > 0 && keys[at] === keys[at - 1]) continue;
    const index = Math.floor(keys[at] / 2 ** 32);
    const one = classes.get(index);
    if (one !== undefined) one.objectCount++;
    else {
      const className = owners.classNames[index] ?? '';
      classes.set(index, { className, objectCount: 1, blockCount: 0, sizeBytes: 0 });
    }
  }
  for (let row = 0; row < count; row++) {
    if (ownerRow[row] < 0) continue;
    const one = classes.get(owners.classIndex[ownerRow[row]]);
    if (one === undefined) continue;
    one.blockCount++;
    one.sizeBytes += live.sizeBytes[row];
  }
  return [...classes.values()].sort(
    (a, b) => b.sizeBytes - a.sizeBytes || (a.className < b.className ? -1 : 1),
  );
}

/** Handles whose blocks point to the addon's own data and to nothing else of the addon's. */
const toFollow: ReadonlySet<number> = new Set([
  ResourceKind.asyncWork,
  ResourceKind.threadsafeFunction,
]);

/**
 * What the scanner should take for Node's own: not the handles that Node-API made for addons, for through these
 * an addon's objects hold their data.
 */
export function flagsForScan(
  live: LiveSet,
  flags: Uint8Array,
  outstanding: ResourceTable | undefined,
): Uint8Array {
  if (outstanding === undefined || outstanding.count === 0) return flags;
  // Not references: each is linked with all others of its environment, and whose object holds one would hold all.
  const handles = new Set(
    outstanding.handle.filter((handle, at) => handle !== 0 && toFollow.has(outstanding.kind[at])),
  );
  return flags.map((flag, row) => (handles.has(live.address[row]) ? flag & BlockFlag.pool : flag));
}

/** Of what hangs from a block with this verdict; undefined: nothing follows. */
function fateBehind(verdict: Verdict | undefined): Verdict | undefined {
  if (verdict === 'orphaned') return 'lost-indirect';
  return verdict === 'pending' ? 'pending' : undefined;
}

const isLost = (reach: number): boolean => reach === Reach.lost || reach === Reach.lostIndirect;
