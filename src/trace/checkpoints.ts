// What a reader of a trace has met of checkpoints and resources, chunk by chunk.
import type {
  Checkpoint,
  CheckpointDetail,
  LiveSet,
  MemoryPicture,
  PageRange,
  PoolLedger,
  ResourceLedger,
  StackId,
  TraceModel,
  V8Picture,
} from '../model/index.js';
import { decodeBlockVerdicts } from './block-verdicts.js';
import type { ByteReader } from './bytes.js';
import { decodeCheckpointVerdicts } from './checkpoint-verdicts.js';
import { TraceDamage } from './damage.js';
import { ChunkKind } from './format.js';
import { decodeMemory, decodePages } from './memory.js';
import { decodePools } from './pools.js';
import { decodeResources } from './resources.js';
import { decodeV8 } from './v8.js';

export class CheckpointsRead {
  private readonly checkpoints: Checkpoint[] = [];
  private latest: { checkpointNumber: number; detail: CheckpointDetail } | null = null;
  private resources: ResourceLedger | null = null;
  private pools: PoolLedger | null = null;
  private readonly memories = new Map<number, MemoryPicture>();
  private readonly v8 = new Map<number, V8Picture>();
  private pages: { checkpointNumber: number; pages: PageRange[] } | null = null;

  /** Returns whether the chunk is of a kind that this is about. */
  take(kind: number, reader: ByteReader, announced: (live: LiveSet) => LiveSet): boolean {
    switch (kind) {
      case ChunkKind.verdicts: {
        const one = decodeCheckpointVerdicts(reader);
        if (one.number <= (this.checkpoints.at(-1)?.number ?? 0))
          throw new TraceDamage(`has checkpoint ${one.number} out of order`);
        this.checkpoints.push(one);
        return true;
      }
      case ChunkKind.blockVerdicts:
        this.latest = decodeBlockVerdicts(reader);
        this.latest.detail.live = announced(this.latest.detail.live);
        return true;
      case ChunkKind.pools:
        this.pools = decodePools(reader);
        return true;
      case ChunkKind.resources:
        this.resources = decodeResources(reader);
        return true;
      case ChunkKind.memory: {
        const { checkpointNumber, memory } = decodeMemory(reader);
        this.memories.set(checkpointNumber, memory);
        return true;
      }
      case ChunkKind.v8: {
        const { checkpointNumber, v8 } = decodeV8(reader);
        this.v8.set(checkpointNumber, v8);
        return true;
      }
      case ChunkKind.pages:
        this.pages = decodePages(reader);
        return true;
      default:
        return false;
    }
  }

  /** Stacks that the file was cut before are those that were not taken. */
  parts(
    stackCount: number,
    notTaken: StackId,
  ): Pick<TraceModel, 'checkpoints' | 'resources' | 'pools'> {
    const known = (id: number) => (id < stackCount ? id : notTaken) as StackId;
    const { latest, resources, pools } = this;
    if (pools !== null) clampPools(pools, known);
    if (latest !== null) clamp(latest.detail.live.stackId, known);
    if (resources !== null) clamp(resources.outstanding.stackId, known);
    const checkpoints = this.checkpoints.map((one) => ({
      ...one,
      tallies: one.tallies.map((tally) => ({ ...tally, stackId: known(tally.stackId) })),
      ...this.memoryOf(one.number, known),
      ...this.v8Of(one.number, known),
      detail: one.number === latest?.checkpointNumber ? latest.detail : null,
    }));
    return {
      ...(checkpoints.length === 0 ? {} : { checkpoints }),
      ...(pools === null ? {} : { pools }),
      ...(resources === null
        ? {}
        : {
            resources: {
              ...resources,
              totals: resources.totals.map((one) => ({ ...one, stackId: known(one.stackId) })),
            },
          }),
    };
  }

  private v8Of(number: number, known: (id: number) => StackId): Pick<Checkpoint, 'v8'> {
    const v8 = this.v8.get(number);
    if (v8 === undefined) return {};
    for (const one of v8.collected?.stacks ?? []) one.stackId = known(one.stackId);
    return { v8 };
  }

  private memoryOf(number: number, known: (id: number) => StackId): Pick<Checkpoint, 'memory'> {
    const memory = this.memories.get(number);
    if (memory === undefined) return {};
    const mappings = memory.mappings.map((one) => ({ ...one, stackId: known(one.stackId) }));
    const pages = this.pages?.checkpointNumber === number ? this.pages.pages : null;
    return { memory: { ...memory, mappings, pages } };
  }
}

function clamp(stackIds: Uint32Array, known: (id: number) => StackId): void {
  for (let row = 0; row < stackIds.length; row++) stackIds[row] = known(stackIds[row]);
}

function clampPools(pools: PoolLedger, known: (id: number) => StackId): void {
  for (const one of [...pools.groups, ...pools.sites]) one.stackId = known(one.stackId);
  for (const moment of [pools.beforeTeardown, pools.atEnd])
    if (moment !== null) clamp(moment.live.stackId, known);
}
