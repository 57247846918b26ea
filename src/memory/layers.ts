// The address space cut into who uses it: what is known best stands above the rest. Pure.

import { type AddressRange, apart, firstEndingAfter, highOf } from '../ranges.js';

export interface Span<Use> extends AddressRange {
  use: Use;
}

/**
 * Calls `visit` for each piece of [low, high), in order of address, with what the topmost layer says that has
 * anything there; null: none has. Layers are from the topmost down, each sorted by address without overlaps.
 */
export class Layers<Use> {
  readonly #layers: readonly (readonly Span<Use>[])[];

  constructor(layers: readonly (readonly Span<Use>[])[]) {
    this.#layers = layers.map((spans) => apart(spans));
  }

  visit(
    low: number,
    high: number,
    visit: (low: number, high: number, use: Use | null) => void,
  ): void {
    const at = this.#layers.map((spans) => firstEndingAfter(spans, low, highOf));
    let from = low;
    while (from < high) {
      let to = high;
      let use: Use | null = null;
      for (const [layer, spans] of this.#layers.entries()) {
        while (at[layer]! < spans.length && spans[at[layer]!]!.high <= from) at[layer]!++;
        const span = spans[at[layer]!];
        if (span === undefined || span.low >= to) continue;
        if (span.low > from) {
          to = span.low;
          continue;
        }
        to = Math.min(to, span.high);
        use = span.use;
        break;
      }
      visit(from, to, use);
      from = to;
    }
  }
}
