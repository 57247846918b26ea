// Bytes to a program's calls of its allocator, without addresses: what a replay wants. Its memory grows
// with nothing, for blocks are named by the order of their allocation.
import { EventType, recordWords } from '../ledger/index.js';
import { TraceDamage } from './damage.js';
import { EventSections } from './event-sections.js';

/** Types are EventType's. */
export interface CallSink {
  /** Allocations are numbered from 0 in this order, failed ones not among them. */
  allocated(type: number, threadIndex: number, sizeBytes: number, stackId: number): void;
  /** serial: the block's number; -1: nobody knows which. */
  released(type: number, threadIndex: number, serial: number): void;
  /** Before the call of this thread that comes next: so much of the process's time has gone by. A millisecond at least. */
  passed(threadIndex: number, timeNs: number): void;
  /** halves: the record's words after word 0, each as two numbers, low first. Valid during the call. */
  other(type: number, threadIndex: number, halves: readonly number[]): void;
}

const toldEveryNs = 1e6;

export class CallDecoder {
  private serial = 0;
  private readonly halves: number[] = [];
  private toldNs = 0;

  /** Chunks of a trace from the first on. */
  decode(content: Uint8Array, sink: CallSink): void {
    const sections = new EventSections(content);
    const { types, ages, times, quantumTicks, nsPerTick } = sections;
    const quantumNs = quantumTicks * nsPerTick;
    let quanta = sections.startQuanta;
    let nextTold = (this.toldNs + toldEveryNs) / quantumNs;
    for (let left = sections.eventCount; left > 0; left--) {
      const code = types.uint8();
      const isPair = code >= EventType.pair;
      const type = isPair ? code - EventType.pair : code;
      if (recordWords(type) === 0) throw new TraceDamage(`has an event of type ${type}`);
      const thread = sections.nextThread();
      quanta += times.varint();
      if (quanta >= nextTold) {
        this.toldNs = quanta * quantumNs;
        nextTold = (this.toldNs + toldEveryNs) / quantumNs;
        sink.passed(thread, this.toldNs);
      }
      if (type <= EventType.allocLast) {
        sections.nextUse();
        const serial = this.serial++;
        sink.allocated(type, thread, sections.sizeBytes, sections.stackId);
        if (!isPair) continue;
        if (--left === 0) throw new TraceDamage('ends within a pair');
        quanta += times.varint();
        sink.released(EventType.free, thread, serial);
      } else if (isPair) {
        throw new TraceDamage(`has a pair of type ${code}`);
      } else if (type <= EventType.freeLast) {
        const age = ages.varint() - 1;
        if (age >= this.serial) throw new TraceDamage('releases a block that is not live');
        sink.released(type, thread, age < 0 ? -1 : this.serial - 1 - age);
      } else {
        sections.nextRare(type, this.halves);
        sink.other(type, thread, this.halves);
      }
    }
  }
}
