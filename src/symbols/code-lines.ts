// The line of a call in JavaScript: from the code's line table, which V8 announced while it compiled.
// interpose/wire.h says how a table is encoded (MP_META_CODE_LINES). Pure.
//
// Bytecode: the entry at the call's offset gives a position in the source, the runs its line.
//
// TurboFan's code has positions only, and where it inlined a call, they are another function's, perhaps
// in another script; V8 does not say which. So a position counts if the same function's bytecode has it
// too; anything else is left unknown. Sparkplug and Maglev have no tables.
import type { CodeLines, TraceModel } from '../model/index.js';

export interface CodePlace {
  line: number;
  column: number;
}

export class CallPlaces {
  readonly #recordsByCode = new Map<number, CodeLines[]>();
  readonly #codeById = new Map<number, { isolate: number; rawName: string; isBytecode: boolean }>();
  readonly #tables = new Map<number, LineTable | null>();
  /** Code ids of the bytecode with lines, by function. */
  #bytecodeOf: Map<string, number> | null = null;

  constructor(model: Pick<TraceModel, 'codes' | 'codeLines'>) {
    for (const { id, isolate, rawName, kind } of model.codes)
      this.#codeById.set(id, { isolate, rawName, isBytecode: kind === 'bytecode' });
    for (const record of model.codeLines ?? []) {
      const known = this.#recordsByCode.get(record.codeId);
      if (known === undefined) this.#recordsByCode.set(record.codeId, [record]);
      else known.push(record);
    }
  }

  /** `offset`: of the call in bytecode, of its return address in machine code. null: not known. */
  find(codeId: number, offset: number): CodePlace | null {
    const code = this.#codeById.get(codeId);
    const table = this.#table(codeId);
    if (code === undefined || table === null) return null;
    if (code.isBytecode) {
      const position = table.positionAt(offset);
      return position === null ? null : table.placeOf(position);
    }
    // The return address is behind the call.
    const position = table.positionAt(offset - 1);
    const bytecode = this.#bytecodeTable(codeId);
    if (position === null || bytecode === null || !bytecode.has(position)) return null;
    return bytecode.placeOf(position);
  }

  #table(codeId: number): LineTable | null {
    let table = this.#tables.get(codeId);
    if (table === undefined) {
      const records = this.#recordsByCode.get(codeId);
      table = records === undefined ? null : new LineTable(records);
      this.#tables.set(codeId, table);
    }
    return table;
  }

  #bytecodeTable(codeId: number): LineTable | null {
    if (this.#bytecodeOf === null) {
      this.#bytecodeOf = new Map();
      for (const [id, code] of this.#codeById) {
        const key = code.isBytecode ? this.#functionKey(id) : null;
        if (key !== null) this.#bytecodeOf.set(key, id);
      }
    }
    const key = this.#functionKey(codeId);
    const id = key === null ? undefined : this.#bytecodeOf.get(key);
    return id === undefined ? null : this.#table(id);
  }

  /** Names end with the function's line and column: equal in one script means the same function. */
  #functionKey(codeId: number): string | null {
    const code = this.#codeById.get(codeId);
    const records = this.#recordsByCode.get(codeId);
    if (code === undefined || records === undefined) return null;
    const name = code.rawName.replace(/^(\w+:)(?:o?[~^+*]'?)?/, '$1');
    return `${code.isolate} ${records[0].scriptId} ${name}`;
  }
}

class LineTable {
  readonly #offsets: number[] = [];
  readonly #positions: number[] = [];
  readonly #positionSet = new Set<number>();
  readonly #runs: { position: number; line: number; column: number }[] = [];

  constructor(records: readonly CodeLines[]) {
    for (const record of records) {
      const bytes = new Varints(record.bytes);
      let offset = 0;
      let position = 0;
      for (let i = 0; i < record.entryCount && !bytes.isAtEnd; i++) {
        offset += bytes.unsigned();
        position += bytes.signed();
        // The same code announced twice: its second table says the same.
        if (this.#offsets.length > 0 && offset <= this.#offsets[this.#offsets.length - 1]) continue;
        this.#offsets.push(offset);
        this.#positions.push(position);
        this.#positionSet.add(position);
      }
      position = 0;
      let line = 0;
      for (let i = 0; i < record.runCount && !bytes.isAtEnd; i++) {
        position += bytes.unsigned();
        line += bytes.signed();
        const column = bytes.unsigned();
        const last = this.#runs[this.#runs.length - 1];
        if (last === undefined || position > last.position)
          this.#runs.push({ position, line, column });
      }
    }
  }

  has(position: number): boolean {
    return this.#positionSet.has(position);
  }

  positionAt(offset: number): number | null {
    const at = lastAtMost(this.#offsets, offset, (one) => one);
    return at < 0 ? null : this.#positions[at];
  }

  placeOf(position: number): CodePlace | null {
    const run = this.#runs[lastAtMost(this.#runs, position, (one) => one.position)];
    if (run === undefined) return null;
    const place = { line: run.line, column: run.column + position - run.position };
    return place.line > 0 && place.column > 0 ? place : null;
  }
}

/** Index of the last element whose key is not above `limit`; -1: none. */
function lastAtMost<T>(sorted: readonly T[], limit: number, key: (one: T) => number): number {
  let low = -1;
  let high = sorted.length;
  while (high - low > 1) {
    const middle = (low + high) >>> 1;
    if (key(sorted[middle]) <= limit) low = middle;
    else high = middle;
  }
  return low;
}

/** Reads LEB128; behind the end everything is 0. */
class Varints {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get isAtEnd(): boolean {
    return this.#at >= this.#bytes.length;
  }

  unsigned(): number {
    let value = 0;
    for (let shift = 0; shift < 35; shift += 7) {
      const byte = this.#bytes[this.#at++] ?? 0;
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) break;
    }
    return value;
  }

  signed(): number {
    const value = this.unsigned();
    return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
  }
}
