// Bytes to events: the inverse of src/native/src/encode. One decoder reads the chunks of a trace from the
// first on; its memory grows with live blocks.
import { EventBatch, EventType, recordWords, tickLimit } from '../ledger/index.js';
import { AddressPredictor, Placement } from './address-predictor.js';
import { TraceDamage } from './damage.js';
import { addressLimit, EventSections } from './event-sections.js';
import { SerialTable } from './serial-table.js';

export class EventDecoder {
  /** Of the last chunk. */
  nsPerTick = 1;
  private readonly predictor = new AddressPredictor();
  private readonly blocks = new SerialTable();
  private batch = new EventBatch(256);
  private serial = 0;
  private lastTick = 0;

  /** Releases come with address, size, stack and age. The batch is valid until the next call. */
  decode(content: Uint8Array): EventBatch {
    const { predictor, blocks } = this;
    const sections = new EventSections(content);
    const { eventCount, nsPerTick, quantumTicks, types, times, placements, addresses, ages } =
      sections;
    if (eventCount > this.batch.capacity) this.batch = new EventBatch(eventCount);
    const { batch } = this;
    batch.clear();
    this.nsPerTick = nsPerTick;
    let time = sections.startQuanta;
    const halves: number[] = [];

    const nextTick = (): number => {
      time += times.varint();
      const tick = Math.max(time * quantumTicks, this.lastTick);
      if (tick >= tickLimit) throw new TraceDamage('has a time beyond 2^53 ticks');
      this.lastTick = tick;
      return tick;
    };
    while (batch.count < eventCount) {
      const row = batch.count;
      const code = types.uint8();
      const isPair = code >= EventType.pair;
      const kind = isPair ? code - EventType.pair : code;
      const isAllocation = kind <= EventType.allocLast && recordWords(kind) !== 0;
      if (isPair && (!isAllocation || row + 2 > eventCount))
        throw new TraceDamage(`has a pair of type ${code}`);
      if (recordWords(kind) === 0) throw new TraceDamage(`has an event of type ${kind}`);
      const thread = sections.nextThread();
      const tick = nextTick();

      if (kind <= EventType.allocLast) {
        sections.nextUse();
        const { stackId: stack, sizeBytes: size } = sections;
        const sizeHigh = Math.floor(size / 2 ** 32);
        const list = predictor.list(thread, size >>> 0, sizeHigh);
        const placement = placements.uint8();
        let address: number;
        if (placement < Placement.fresh) {
          address = predictor.highAt(list, placement) * 2 ** 32 + predictor.lowAt(list, placement);
          predictor.take(list, placement);
        } else {
          const from = predictor.fresh(thread);
          if (placement === Placement.fresh) address = from;
          else if (placement === Placement.delta16) address = from + 16 * addresses.zigzag();
          else if (placement === Placement.delta) address = from + addresses.zigzag();
          else throw new TraceDamage(`has a placement of ${placement}`);
          predictor.carved(thread, address, size);
        }
        if (!(address >= 0 && address < addressLimit))
          throw new TraceDamage('has an address beyond 48 bits');
        batch.pushAllocation(kind, thread, tick, address, size, stack);
        const serial = this.serial++;
        if (!isPair) {
          blocks.add(serial, address >>> 0, address / 2 ** 32, size >>> 0, sizeHigh, stack);
          continue;
        }
        batch.pushRelease(EventType.free, thread, nextTick(), address);
        batch.sizeLow[row + 1] = size >>> 0;
        batch.sizeHigh[row + 1] = sizeHigh;
        batch.stackId[row + 1] = stack;
        predictor.released(list, address >>> 0, Math.floor(address / 2 ** 32));
      } else if (kind <= EventType.freeLast) {
        const age = ages.varint() - 1;
        if (age < 0) {
          const address = addresses.varint();
          if (address >= addressLimit) throw new TraceDamage('has an address beyond 48 bits');
          batch.pushRelease(kind, thread, tick, address);
          batch.age[row] = -1;
          continue;
        }
        const at = age < this.serial ? blocks.find(this.serial - 1 - age) : -1;
        if (at < 0) throw new TraceDamage('releases a block that is not live');
        const low = blocks.word(at, 0);
        const high = blocks.word(at, 1);
        batch.pushRelease(kind, thread, tick, high * 2 ** 32 + low);
        batch.sizeLow[row] = blocks.word(at, 2);
        batch.sizeHigh[row] = blocks.word(at, 3);
        batch.stackId[row] = blocks.word(at, 4);
        batch.age[row] = age;
        blocks.remove(at);
        predictor.released(
          predictor.list(thread, batch.sizeLow[row]!, batch.sizeHigh[row]!),
          low,
          high,
        );
      } else {
        sections.nextRare(kind, halves);
        batch.pushRare(kind, thread, tick, halves);
      }
    }
    return batch;
  }
}
