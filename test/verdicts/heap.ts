// Heaps drawn as text, and a scanner that answers for them as the shim's does:
//
//   block a 64            a live block and its size; "block a 64 runtime": Node's own, "ours": memprof's
//   a+8 -> b              the word at a+8 points to b's start; "-> b+16": into it
//   global 3 -> a         a word in module 3's data; also: tls TID, stack TID, register TID, mapping, v8
//   owner Image wrap -> a one object a line; "owner Image wrap #2 -> a": object 2's
import {
  type CheckpointDetail,
  type LiveSet,
  OwnerHold,
  type OwnerTable,
  Reach,
  type Reachability,
} from '../../src/model/index.js';
import { BlockFlag, type JudgeInput, judge, OwnerMemory } from '../../src/verdicts/index.js';

interface Pointer {
  to: number;
  insideBytes: number;
}
interface Drawn {
  names: string[];
  sizes: number[];
  flags: number[];
  words: (Pointer & { from: number; offset: number })[];
  roots: (Pointer & { reach: number; id: number })[];
  owners: (Pointer & { className: string; hold: number; object: number })[];
}

const rootReach: Record<string, number> = {
  global: Reach.global,
  tls: Reach.tls,
  stack: Reach.stack,
  register: Reach.register,
  mapping: Reach.mapping,
  v8: Reach.v8,
};
export const addressOf = (row: number): number => 0x10000 + row * 0x1000;
const rootWord = (at: number): number => 0x900000 + at * 8;

export class Heap {
  readonly drawn: Drawn = { names: [], sizes: [], flags: [], words: [], roots: [], owners: [] };

  constructor(drawing: string) {
    const { drawn } = this;
    const lines = drawing
      .split('\n')
      .map((line) => line.trim().split(/\s+/))
      .filter((words) => words[0] !== '');
    for (const [what, name, size, flag] of lines) {
      if (what !== 'block') continue;
      drawn.names.push(name);
      drawn.sizes.push(Number(size));
      drawn.flags.push(
        flag === 'runtime' ? BlockFlag.runtime : flag === 'ours' ? BlockFlag.ours : 0,
      );
    }
    for (const words of lines) {
      if (words[0] === 'block') continue;
      const to = this.pointer(words[words.length - 1]);
      if (words[0] === 'owner') {
        const object = words[3].startsWith('#') ? Number(words[3].slice(1)) : drawn.owners.length;
        const hold = OwnerHold[words[2] as keyof typeof OwnerHold];
        drawn.owners.push({ ...to, className: words[1], hold, object });
      } else if (words[0] in rootReach) {
        const id = words[1] === '->' ? 0 : Number(words[1]);
        drawn.roots.push({ ...to, reach: rootReach[words[0]], id });
      } else {
        const from = this.pointer(words[0]);
        drawn.words.push({ ...to, from: from.to, offset: from.insideBytes });
      }
    }
  }

  private pointer(text: string): Pointer {
    const [name, offset] = text.split('+');
    const to = this.drawn.names.indexOf(name);
    if (to < 0) throw new Error(`no block ${name}`);
    return { to, insideBytes: Number(offset ?? 0) };
  }

  row(name: string): number {
    return this.drawn.names.indexOf(name);
  }

  live(stackIds: number[] = [], bornNs: number[] = []): LiveSet {
    const { sizes } = this.drawn;
    return {
      count: sizes.length,
      address: Float64Array.from(sizes, (_size, row) => addressOf(row)),
      sizeBytes: Float64Array.from(sizes),
      stackId: Uint32Array.from(sizes, (_size, row) => stackIds[row] ?? 10 + row),
      threadIndex: new Uint32Array(sizes.length),
      bornNs: Float64Array.from(sizes, (_size, row) => bornNs[row] ?? row + 1),
      entry: new Uint8Array(sizes.length).fill(1),
    };
  }

  owners(): OwnerTable {
    const { owners } = this.drawn;
    const classNames = [...new Set(owners.map((one) => one.className))];
    return {
      count: owners.length,
      address: Float64Array.from(owners, (one) => addressOf(one.to) + one.insideBytes),
      sizeBytes: new Float64Array(owners.length),
      snapshotId: new Float64Array(owners.length),
      object: Uint32Array.from(owners, (one) => one.object),
      hold: Uint8Array.from(owners, (one) => one.hold),
      isolate: new Uint32Array(owners.length),
      classIndex: Uint32Array.from(owners, (one) => classNames.indexOf(one.className)),
      classNames,
    };
  }

  /** As interpose/scan is told to work, without a thought for speed. */
  scan(): Reachability {
    const { sizes, flags, words, roots, owners } = this.drawn;
    const count = sizes.length;
    const found: Reachability = {
      reach: new Uint8Array(count),
      referrer: new Float64Array(count),
      referrerBlock: new Int32Array(count).fill(-1),
      insideBytes: new Uint32Array(count),
      root: new Uint32Array(count),
      firstWord: new Float64Array(count),
      regions: roots.map((root, at) => ({
        low: rootWord(at) as never,
        high: (rootWord(at) + 8) as never,
        reach: root.reach,
        id: root.id,
      })),
      frames: roots.flatMap((root, at) =>
        root.reach === Reach.stack
          ? [{ low: rootWord(at) as never, tid: root.id, kind: 1, index: 0, offset: 16 * at }]
          : [],
      ),
    };
    const flood = (queue: number[], reach: number, throughRuntime: boolean) => {
      for (const row of queue) {
        if (!throughRuntime && flags[row] !== 0) continue;
        for (const word of words) {
          if (word.from !== row || found.reach[word.to] !== 0) continue;
          found.reach[word.to] = reach;
          found.referrer[word.to] = addressOf(row) + word.offset;
          found.referrerBlock[word.to] = row;
          found.insideBytes[word.to] = word.insideBytes;
          queue.push(word.to);
        }
      }
    };
    const begin = (to: number, reach: number, insideBytes: number, root: number): boolean => {
      if (found.reach[to] !== 0) return false;
      found.reach[to] = reach;
      found.insideBytes[to] = insideBytes;
      found.root[to] = root;
      return true;
    };
    const held = owners.flatMap(({ to, insideBytes }, at) =>
      begin(to, Reach.owner, insideBytes, at) ? [to] : [],
    );
    flood(held, Reach.owner, false);
    for (const reach of Object.values(rootReach)) {
      const queue: number[] = [];
      for (const [at, root] of roots.entries()) {
        const rootIs = reach === Reach.register ? root.id : at;
        if (root.reach !== reach || !begin(root.to, reach, root.insideBytes, rootIs)) continue;
        if (reach !== Reach.register) found.referrer[root.to] = rootWord(at);
        queue.push(root.to);
      }
      flood(queue, reach, true);
    }
    for (let row = 0; row < count; row++) {
      if (found.reach[row] !== 0) continue;
      found.reach[row] = Reach.lost;
      const queue = [row];
      // A leader that a later one reaches was no leader.
      for (const at of queue) {
        for (const word of words) {
          if (word.from !== at || word.to === row) continue;
          const before = found.reach[word.to];
          if (before !== 0 && before !== Reach.lost) continue;
          found.reach[word.to] = Reach.lostIndirect;
          found.referrer[word.to] = addressOf(at) + word.offset;
          found.referrerBlock[word.to] = at;
          found.insideBytes[word.to] = word.insideBytes;
          if (before === 0) queue.push(word.to);
        }
      }
    }
    return found;
  }

  input(number = 1, more: Partial<JudgeInput> = {}): JudgeInput {
    return {
      number,
      live: this.live(),
      nsPerTick: 1,
      flags: Uint8Array.from(this.drawn.flags),
      owners: this.owners(),
      ownersComplete: true,
      reachability: this.scan(),
      pendingFinalizerCount: 0,
      ...more,
    };
  }

  judge(memory = new OwnerMemory(), number = 1, more: Partial<JudgeInput> = {}) {
    return judge(this.input(number, more), memory);
  }

  /** "a lost", one a line, in order of the blocks; orphans with class and checkpoint. */
  verdicts(detail: CheckpointDetail): string {
    return this.drawn.names
      .map((name, row) => {
        const orphan = detail.orphans.find((one) => one.block === row);
        const more = orphan === undefined ? '' : ` ${orphan.className || '?'} ${orphan.lastSeen}`;
        return `${name} ${detail.verdict[row]}${more}`;
      })
      .join('\n');
  }
}

export const lines = (drawing: string): string =>
  drawing
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '')
    .join('\n');
