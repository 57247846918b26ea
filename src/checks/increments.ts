// What each stack, resource and mapping gained in each round: kept sparsely, because of ten thousand stacks a
// handful changes. Pure.
import type { ResourceBalance, StackSums } from '../model/index.js';

/** What is live at the end of a round. */
export interface Levels {
  sums: StackSums;
  resources: readonly ResourceBalance[];
  /** Bytes of private mappings, by the stack that mapped them. */
  mappings: ReadonlyMap<number, number>;
}

export interface Gain {
  blocks: number;
  bytes: number;
}

/** Gains by what gained; of the rounds in which it did. */
export type GainsOf<Key> = ReadonlyMap<Key, ReadonlyMap<number, Gain>>;

export interface ResourceKey {
  kind: number;
  stackId: number;
  className: string;
}

export class Increments {
  readonly stacks = new Map<number, Map<number, Gain>>();
  readonly resources = new Map<string, Map<number, Gain>>();
  readonly resourceKeys = new Map<string, ResourceKey>();
  readonly mappings = new Map<number, Map<number, Gain>>();
  roundCount = 0;
  #last: Levels;

  constructor(before: Levels) {
    this.#last = before;
  }

  add(levels: Levels): void {
    const last = this.#last;
    this.#last = levels;
    const round = this.roundCount++;
    const { liveCount, liveBytes } = levels.sums;
    for (let id = 0; id < liveCount.length; id++) {
      const blocks = liveCount[id] - (last.sums.liveCount[id] ?? 0);
      const bytes = liveBytes[id] - (last.sums.liveBytes[id] ?? 0);
      if (blocks !== 0 || bytes !== 0) gainIn(this.stacks, id, round, { blocks, bytes });
    }
    this.#addResources(last.resources, levels.resources, round);
    for (const id of new Set([...last.mappings.keys(), ...levels.mappings.keys()])) {
      const bytes = (levels.mappings.get(id) ?? 0) - (last.mappings.get(id) ?? 0);
      if (bytes !== 0) gainIn(this.mappings, id, round, { blocks: 0, bytes });
    }
  }

  #addResources(
    before: readonly ResourceBalance[],
    after: readonly ResourceBalance[],
    round: number,
  ): void {
    const counts = new Map(before.map((one) => [keyOf(one), one]));
    for (const one of after) {
      const key = keyOf(one);
      const old = counts.get(key);
      const blocks = one.outstandingCount - (old?.outstandingCount ?? 0);
      const bytes = one.outstandingValue - (old?.outstandingValue ?? 0);
      if (blocks === 0 && bytes === 0) continue;
      const { kind, stackId, className } = one;
      this.resourceKeys.set(key, { kind, stackId, className });
      gainIn(this.resources, key, round, { blocks, bytes });
    }
  }
}

const keyOf = ({ kind, stackId, className }: ResourceBalance): string =>
  `${kind} ${stackId} ${className}`;

function gainIn<Key>(
  gains: Map<Key, Map<number, Gain>>,
  key: Key,
  round: number,
  gain: Gain,
): void {
  let ofKey = gains.get(key);
  if (ofKey === undefined) gains.set(key, (ofKey = new Map()));
  ofKey.set(round, gain);
}
