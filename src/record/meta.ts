// The meta ring: facts about modules, code, texts and the process, in no particular order.
import type { CodeInfo, CodeLines } from '../model/index.js';
import { CodeKind, MetaType, ModuleFlag } from './wire.js';

export type MetaRecord =
  | { type: 'process'; executable: string; cwd: string; argv: string[] }
  | { type: 'module'; module: ModuleFacts }
  | { type: 'module-gone'; id: number; tick: number }
  | { type: 'code'; code: CodeInfo }
  | { type: 'code-lines'; lines: CodeLines }
  | { type: 'text'; id: number; text: string }
  | { type: 'agent'; nodeVersion: string; v8Version: string; isMainThread: boolean }
  | { type: 'unknown'; number: number };

/** A module with its times in ticks. */
export interface ModuleFacts {
  id: number;
  path: string;
  buildId: string;
  base: number;
  low: number;
  high: number;
  isExecutable: boolean;
  isVdso: boolean;
  isShim: boolean;
  loadedTick: number;
  unloadedTick: number | null;
}

const recordHeaderBytes = 8;
const decoder = new TextDecoder();
/** No honest record comes near: a command line has at most 2 MiB. */
const maxRecordBytes = 1 << 26;

/** Cuts the bytes of the meta ring into records, however they arrive. */
export class MetaParser {
  private pending: Uint8Array = new Uint8Array(0);
  /** What was wrong; nothing is parsed after it. */
  damage: string | null = null;

  push(bytes: Uint8Array): MetaRecord[] {
    if (this.damage !== null) return [];
    const all = this.pending.length === 0 ? bytes : concatenate(this.pending, bytes);
    const view = new DataView(all.buffer, all.byteOffset, all.byteLength);
    const records: MetaRecord[] = [];
    let at = 0;
    while (all.length - at >= recordHeaderBytes) {
      const length = view.getUint32(at + 4, true);
      if (length < recordHeaderBytes || length % 8 !== 0 || length > maxRecordBytes) {
        this.damage = `a meta record of ${length} bytes`;
        break;
      }
      if (all.length - at < length) break;
      const record = parseRecord(view, at, length);
      if (record === null) {
        this.damage = `a meta record of type ${view.getUint32(at, true)} that ends before its fields`;
        break;
      }
      records.push(record);
      at += length;
    }
    this.pending = this.damage === null ? all.slice(at) : new Uint8Array(0);
    return records;
  }
}

/** null: the fields do not fit into the record. */
function parseRecord(view: DataView, start: number, length: number): MetaRecord | null {
  const fields = new Fields(view, start + recordHeaderBytes, start + length);
  const type = view.getUint32(start, true);
  const record = readFields(type, fields);
  return fields.isCut ? null : record;
}

function readFields(type: number, fields: Fields): MetaRecord {
  switch (type) {
    case MetaType.process: {
      const executable = fields.text();
      const cwd = fields.text();
      const count = fields.uint32();
      const argv: string[] = [];
      for (let i = 0; i < count && !fields.isCut; i++) argv.push(fields.text());
      return { type: 'process', executable, cwd, argv };
    }
    case MetaType.module: {
      const id = fields.uint32();
      const flags = fields.uint32();
      const [base, low, high, loadedTick] = [
        fields.uint64(),
        fields.uint64(),
        fields.uint64(),
        fields.uint64(),
      ];
      const buildId = fields.hex();
      const path = fields.text();
      const isExecutable = (flags & ModuleFlag.executable) !== 0;
      const isVdso = (flags & ModuleFlag.vdso) !== 0;
      const isShim = (flags & ModuleFlag.shim) !== 0;
      return {
        type: 'module',
        module: {
          id,
          path,
          buildId,
          base,
          low,
          high,
          isExecutable,
          isVdso,
          isShim,
          loadedTick,
          unloadedTick: null,
        },
      };
    }
    case MetaType.moduleGone: {
      const id = fields.uint32();
      fields.uint32();
      return { type: 'module-gone', id, tick: fields.uint64() };
    }
    case MetaType.code: {
      const id = fields.uint32();
      const kind = codeKind(fields.uint32());
      fields.uint64();
      fields.uint64();
      const isolate = fields.uint32();
      return { type: 'code', code: { id, kind, isolate, rawName: fields.text() } };
    }
    case MetaType.codeLines: {
      const codeId = fields.uint32();
      const scriptId = fields.uint32() | 0;
      const entryCount = fields.uint32();
      const runCount = fields.uint32();
      const lines = { codeId, scriptId, entryCount, runCount, bytes: fields.copy() };
      return { type: 'code-lines', lines };
    }
    case MetaType.text: {
      const id = fields.uint32();
      fields.uint32();
      return { type: 'text', id, text: fields.text() };
    }
    case MetaType.agent:
      return parseAgent(fields.text());
    default:
      return { type: 'unknown', number: type };
  }
}

/** The agent's own words; what it did not say stays empty. */
function parseAgent(text: string): MetaRecord {
  let said: unknown;
  try {
    said = JSON.parse(text);
  } catch {
    // Not JSON: an agent of another making. Nothing is known about Node then.
    said = null;
  }
  const field = (name: string): unknown =>
    typeof said === 'object' && said !== null ? Reflect.get(said, name) : undefined;
  const words = (value: unknown): string => (typeof value === 'string' ? value : '');
  return {
    type: 'agent',
    nodeVersion: words(field('nodeVersion')),
    v8Version: words(field('v8Version')),
    isMainThread: field('isMainThread') === true,
  };
}

function codeKind(number: number): CodeInfo['kind'] {
  if (number === CodeKind.bytecode) return 'bytecode';
  if (number === CodeKind.jit) return 'jit';
  return number === CodeKind.builtin ? 'builtin' : 'other';
}

class Fields {
  isCut = false;
  private readonly view: DataView;
  private at: number;
  private readonly end: number;

  constructor(view: DataView, at: number, end: number) {
    this.view = view;
    this.at = at;
    this.end = end;
  }

  uint32(): number {
    const at = this.take(4);
    return at < 0 ? 0 : this.view.getUint32(at, true);
  }

  uint64(): number {
    const low = this.uint32();
    return this.uint32() * 2 ** 32 + low;
  }

  /** Linux promises no encoding: bytes that are not UTF-8 become replacement characters. */
  text(): string {
    return decoder.decode(this.bytes());
  }

  hex(): string {
    return Array.from(this.bytes(), (byte) => byte.toString(16).padStart(2, '0')).join('');
  }

  copy(): Uint8Array {
    return this.bytes().slice();
  }

  private bytes(): Uint8Array {
    const length = this.uint32();
    const at = this.take(length);
    return at < 0
      ? new Uint8Array(0)
      : new Uint8Array(this.view.buffer, this.view.byteOffset + at, length);
  }

  private take(length: number): number {
    if (this.isCut || length > this.end - this.at) {
      this.isCut = true;
      return -1;
    }
    const at = this.at;
    this.at += length;
    return at;
  }
}

function concatenate(a: Uint8Array, b: Uint8Array): Uint8Array {
  const all = new Uint8Array(a.length + b.length);
  all.set(a);
  all.set(b, a.length);
  return all;
}
