// The sections of one chunk of events, as both decoders read them. Layout: docs/trace-format.md.
import { recordWords, threadLimit } from '../ledger/index.js';
import { ByteReader } from './bytes.js';
import { TraceDamage } from './damage.js';
import { rowsPerChunk } from './encoder.js';

export const addressLimit = 2 ** 48;

export class EventSections {
  /** A pair is two. */
  readonly eventCount: number;
  readonly nsPerTick: number;
  readonly quantumTicks: number;
  readonly startQuanta: number;
  readonly types: ByteReader;
  readonly times: ByteReader;
  readonly placements: ByteReader;
  readonly addresses: ByteReader;
  readonly ages: ByteReader;
  /** Stack and size of the last use(). */
  stackId = 0;
  sizeBytes = 0;
  private readonly threads: ByteReader;
  private readonly pairs: ByteReader;
  private readonly uses: ByteReader;
  private readonly rare: ByteReader;
  private readonly pairStack: number[] = [];
  private readonly pairSize: number[] = [];
  private thread = 0;
  private runLength = 0;

  constructor(content: Uint8Array) {
    const reader = new ByteReader(content);
    this.eventCount = reader.varint();
    if (this.eventCount > 2 * rowsPerChunk)
      throw new TraceDamage(`announces ${this.eventCount} events`);
    this.nsPerTick = reader.float64();
    if (!(this.nsPerTick > 0 && this.nsPerTick < 1e9))
      throw new TraceDamage(`has a tick of ${this.nsPerTick} ns`);
    const shift = reader.varint();
    if (shift > 20) throw new TraceDamage(`counts time in 2^${shift} ticks`);
    this.quantumTicks = 2 ** shift;
    this.startQuanta = reader.varint();
    this.types = new ByteReader(reader.section());
    this.threads = new ByteReader(reader.section());
    this.times = new ByteReader(reader.section());
    this.pairs = new ByteReader(reader.section());
    this.uses = new ByteReader(reader.section());
    this.placements = new ByteReader(reader.section());
    this.addresses = new ByteReader(reader.section());
    this.ages = new ByteReader(reader.section());
    this.rare = new ByteReader(reader.section());
  }

  /** Of the next row. */
  nextThread(): number {
    while (this.runLength === 0) {
      this.thread = this.threads.varint();
      this.runLength = this.threads.varint();
      if (this.thread >= threadLimit) throw new TraceDamage(`names thread ${this.thread}`);
    }
    this.runLength--;
    return this.thread;
  }

  /** Stack and size of the next allocation. */
  nextUse(): void {
    const { pairStack, pairSize } = this;
    let use = this.uses.varint();
    if (use === 0) {
      pairStack.push(this.pairs.varint());
      pairSize.push(this.pairs.varint());
      use = pairStack.length;
      if (pairStack[use - 1]! >= 2 ** 32 || pairSize[use - 1]! >= addressLimit)
        throw new TraceDamage('has a size or a stack out of range');
    }
    if (use > pairStack.length) throw new TraceDamage(`uses pair ${use} of ${pairStack.length}`);
    this.stackId = pairStack[use - 1]!;
    this.sizeBytes = pairSize[use - 1]!;
  }

  /** The next rare row's words after word 0, as 32-bit halves, low first. */
  nextRare(type: number, halves: number[]): void {
    halves.length = 2 * recordWords(type) - 2;
    for (let i = 0; i < halves.length; i++) halves[i] = this.rare.varint();
  }
}
