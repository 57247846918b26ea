// Names for the stacks of a trace that grows: first without symbols, so that nobody waits for those of node, then with
// them, and again when there are new stacks. All are named together, for what is one site depends on all of them.
import type { StackId, TraceModel } from '../model/index.js';
import { packageFiles, type StackNamer, stackNamer } from '../query/index.js';
import { noSymbols, type SymbolizedStacks, symbolize } from '../symbols/index.js';

/** Names that come this soon are waited for. */
const patienceMs = 1000;
/** The next naming begins no sooner than after so many times what the last one took. */
const restFactor = 3;

export class FeedNames {
  readonly #namer: StackNamer = stackNamer(() => undefined);
  readonly packageOf = packageFiles();
  #symbols: SymbolizedStacks | null = null;
  #areNamed = false;
  #naming: Promise<void> | null = null;
  #nextMs = 0;

  /** What is known; null: nothing yet. */
  get symbols(): SymbolizedStacks | null {
    return this.#symbols;
  }

  /** false: module and offset stand for names. */
  get areNamed(): boolean {
    return this.#areNamed;
  }

  /** Sees to it that the stacks get names, sooner or later. */
  async look(model: TraceModel, stackIds: readonly number[]): Promise<void> {
    const ids = [...stackIds] as StackId[];
    const isWhole = () => this.#areNamed && ids.every((id) => this.#symbols?.has(id) === true);
    if (this.#naming === null && performance.now() >= this.#nextMs && !isWhole())
      this.#begin(model, ids);
    if (this.#naming !== null) {
      let timer: NodeJS.Timeout | undefined;
      const tooLate = new Promise<void>((late) => {
        timer = setTimeout(late, patienceMs);
      });
      await Promise.race([this.#naming, tooLate]);
      clearTimeout(timer);
    }
    if (this.#symbols !== null) return;
    const { packageOf } = this;
    const placed = await symbolize(model, ids, noSymbols, { packageOf });
    this.#symbols ??= placed;
  }

  #begin(model: TraceModel, stackIds: StackId[]): void {
    const beginMs = performance.now();
    const end = () => {
      this.#naming = null;
      this.#nextMs = performance.now() + restFactor * (performance.now() - beginMs);
    };
    this.#naming = this.#namer.nameStacks(model, stackIds).then(
      (symbols) => {
        this.#symbols = symbols;
        this.#areNamed = true;
        end();
      },
      // Places in modules are shown then, and said to be such; what failed fails again, and is told, in the report.
      end,
    );
  }
}
