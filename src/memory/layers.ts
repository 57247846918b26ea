// The address space cut into who uses it: what is known best stands above the rest. Pure.

export interface Span<Use> {
  low: number;
  high: number;
  use: Use;
}

/**
 * Calls `visit` for each piece of [low, high), in order of address, with what the topmost layer says that has
 * anything there; null: none has. Layers are from the topmost down, each sorted by address without overlaps.
 */
export class Layers<Use> {
  readonly #layers: readonly (readonly Span<Use>[])[];

  constructor(layers: readonly (readonly Span<Use>[])[]) {
    this.#layers = layers.map((spans) => tidy(spans));
  }

  visit(
    low: number,
    high: number,
    visit: (low: number, high: number, use: Use | null) => void,
  ): void {
    const at = this.#layers.map((spans) => firstEndingAfter(spans, low));
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

/** In order; where two overlap, the first one keeps its whole length. */
function tidy<Use>(spans: readonly Span<Use>[]): Span<Use>[] {
  const kept: Span<Use>[] = [];
  let end = 0;
  for (const span of [...spans].sort((a, b) => a.low - b.low)) {
    const low = Math.max(span.low, end);
    if (low >= span.high) continue;
    kept.push({ ...span, low });
    end = span.high;
  }
  return kept;
}

function firstEndingAfter<Use>(spans: readonly Span<Use>[], address: number): number {
  let low = 0;
  let high = spans.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (spans[middle]!.high <= address) low = middle + 1;
    else high = middle;
  }
  return low;
}
