// Reads a heap snapshot piece by piece: JSON.parse takes no text above 512 MiB, and would hold every
// number as an element of a JavaScript array.
import { damaged, fieldsOf, type HeapSnapshot } from './snapshot.js';

const quote = 0x22;
const backslash = 0x5c;
const comma = 0x2c;
const colon = 0x3a;
const openArray = 0x5b;
const closeArray = 0x5d;
const openObject = 0x7b;
const closeObject = 0x7d;
const minus = 0x2d;

const isSpace = (byte: number): boolean =>
  byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09;
const isDigit = (byte: number): boolean => byte >= 0x30 && byte <= 0x39;

/** Numbers that grow. */
class NumberList {
  values = new Uint32Array(1 << 16);
  count = 0;
  readonly large = new Map<number, number>();

  push(value: number): void {
    if (this.count === this.values.length) {
      const grown = new Uint32Array(2 * this.count);
      grown.set(this.values);
      this.values = grown;
    }
    if (value > 0xffffffff) {
      this.large.set(this.count, value);
      this.values[this.count++] = 0xffffffff;
    } else {
      this.values[this.count++] = value;
    }
  }
}

/** Bytes of one value, kept over pieces. */
class Kept {
  private parts: Uint8Array[] = [];

  add(bytes: Uint8Array): void {
    if (bytes.length > 0) this.parts.push(bytes.slice());
  }

  take(): Uint8Array {
    const all = new Uint8Array(this.parts.reduce((sum, part) => sum + part.length, 0));
    let at = 0;
    for (const part of this.parts) {
      all.set(part, at);
      at += part.length;
    }
    this.parts = [];
    return all;
  }
}

type State =
  | 'start' // before the object
  | 'key' // before a key, or the end
  | 'in-key'
  | 'colon'
  | 'value' // before a value
  | 'numbers' // in nodes or edges
  | 'strings' // in strings, between elements
  | 'in-string'
  | 'raw' // in any other value
  | 'after' // behind a value
  | 'end';

export class HeapSnapshotParser {
  private state: State = 'start';
  private key = '';
  private readonly kept = new Kept();
  private isEscaped = false;
  private depth = 0;
  private isInRawString = false;
  private number = -1;
  private readonly nodes = new NumberList();
  private readonly edges = new NumberList();
  private readonly strings: string[] = [];
  private head: Record<string, unknown> | null = null;
  private readonly rest: [string, Uint8Array][] = [];
  private readonly decoder = new TextDecoder();

  /** The next bytes of the file. Throws ERR_MEMPROF_HEAP_SNAPSHOT. */
  push(bytes: Uint8Array): void {
    let at = 0;
    while (at < bytes.length) at = this.step(bytes, at);
  }

  finish(): HeapSnapshot {
    if (this.state !== 'end') throw damaged('it ends before its last section');
    if (this.head === null) throw damaged('its snapshot section is missing');
    const { nodeFields, edgeFields } = fieldsOf(this.head);
    if (this.nodes.count % nodeFields.width !== 0 || this.edges.count % edgeFields.width !== 0)
      throw damaged('its last node or edge is cut');
    if (this.edges.large.size > 0) throw damaged('an edge leads nowhere');
    const snapshot: HeapSnapshot = {
      head: this.head,
      nodeFields,
      edgeFields,
      nodeCount: this.nodes.count / nodeFields.width,
      edgeCount: this.edges.count / edgeFields.width,
      nodes: this.nodes.values.subarray(0, this.nodes.count),
      edges: this.edges.values.subarray(0, this.edges.count),
      large: this.nodes.large,
      strings: this.strings,
      rest: this.rest,
    };
    checkEdges(snapshot);
    return snapshot;
  }

  private step(bytes: Uint8Array, at: number): number {
    const byte = bytes[at]!;
    switch (this.state) {
      case 'numbers':
        return this.readNumbers(bytes, at);
      case 'in-string':
      case 'in-key':
        return this.readString(bytes, at);
      case 'raw':
        return this.readRaw(bytes, at);
      default:
        // A raw value begins with the very byte that says so.
        return !isSpace(byte) && this.between(byte) === 'raw' ? at : at + 1;
    }
  }

  private between(byte: number): State {
    switch (this.state) {
      case 'start':
        this.expect(byte, openObject);
        this.state = 'key';
        break;
      case 'key':
        if (byte === closeObject) {
          this.state = 'end';
          break;
        }
        this.expect(byte, quote);
        this.state = 'in-key';
        break;
      case 'colon':
        this.expect(byte, colon);
        this.state = 'value';
        break;
      case 'value':
        this.beginValue(byte);
        break;
      case 'strings':
        if (byte === quote) this.state = 'in-string';
        else if (byte === closeArray) this.state = 'after';
        else this.expect(byte, comma);
        break;
      case 'after':
        if (byte === closeObject) this.state = 'end';
        else {
          this.expect(byte, comma);
          this.state = 'key';
        }
        break;
      default:
        throw damaged('something follows its end');
    }
    return this.state;
  }

  private beginValue(byte: number): void {
    if (this.key === 'nodes' || this.key === 'edges') {
      this.expect(byte, openArray);
      this.state = 'numbers';
    } else if (this.key === 'strings') {
      this.expect(byte, openArray);
      this.state = 'strings';
    } else if (byte === openArray || byte === openObject) {
      this.depth = 0;
      this.isInRawString = false;
      this.state = 'raw';
    } else {
      throw damaged(`its section ${this.key} is none`);
    }
  }

  private readNumbers(bytes: Uint8Array, start: number): number {
    const list = this.key === 'nodes' ? this.nodes : this.edges;
    let { number } = this;
    let at = start;
    for (; at < bytes.length; at++) {
      const byte = bytes[at]!;
      if (isDigit(byte)) {
        number = Math.max(number, 0) * 10 + (byte - 0x30);
        continue;
      }
      if (number >= 0) {
        if (number > Number.MAX_SAFE_INTEGER) throw damaged('a number is too large');
        list.push(number);
        number = -1;
      }
      if (byte === closeArray) {
        this.state = 'after';
        at++;
        break;
      }
      if (byte !== comma && !isSpace(byte))
        throw damaged(
          byte === minus
            ? 'a number is negative'
            : `the section ${this.key} holds more than numbers`,
        );
    }
    this.number = number;
    return at;
  }

  /** From behind the opening quote to behind the closing one. */
  private readString(bytes: Uint8Array, start: number): number {
    let at = start;
    for (; at < bytes.length; at++) {
      const byte = bytes[at]!;
      if (this.isEscaped) this.isEscaped = false;
      else if (byte === backslash) this.isEscaped = true;
      else if (byte === quote) {
        this.kept.add(bytes.subarray(start, at));
        this.endString(this.kept.take());
        return at + 1;
      }
    }
    this.kept.add(bytes.subarray(start, at));
    return at;
  }

  private endString(bytes: Uint8Array): void {
    const text = bytes.includes(backslash)
      ? String(parseJson(`"${this.decoder.decode(bytes)}"`))
      : this.decoder.decode(bytes);
    if (this.state === 'in-key') {
      this.key = text;
      this.state = 'colon';
    } else {
      this.strings.push(text);
      this.state = 'strings';
    }
  }

  private readRaw(bytes: Uint8Array, start: number): number {
    for (let at = start; at < bytes.length; at++) {
      const byte = bytes[at]!;
      if (this.isInRawString) {
        if (this.isEscaped) this.isEscaped = false;
        else if (byte === backslash) this.isEscaped = true;
        else if (byte === quote) this.isInRawString = false;
      } else if (byte === quote) this.isInRawString = true;
      else if (byte === openArray || byte === openObject) this.depth++;
      else if (byte === closeArray || byte === closeObject) {
        this.depth--;
        if (this.depth > 0) continue;
        this.kept.add(bytes.subarray(start, at + 1));
        this.endRaw(this.kept.take());
        return at + 1;
      }
    }
    this.kept.add(bytes.subarray(start));
    return bytes.length;
  }

  private endRaw(bytes: Uint8Array): void {
    this.state = 'after';
    if (this.key !== 'snapshot') {
      this.rest.push([this.key, bytes]);
      return;
    }
    const value = parseJson(this.decoder.decode(bytes));
    if (typeof value !== 'object' || value === null) throw damaged('its snapshot section is none');
    this.head = value as Record<string, unknown>;
  }

  private expect(byte: number, wanted: number): void {
    if (byte !== wanted)
      throw damaged(
        `it has ${JSON.stringify(String.fromCharCode(byte))} where ${JSON.stringify(String.fromCharCode(wanted))} belongs`,
      );
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw damaged(error instanceof Error ? error.message : String(error));
  }
}

function checkEdges({ edges, edgeCount, edgeFields, nodeFields, nodeCount }: HeapSnapshot): void {
  const end = nodeCount * nodeFields.width;
  for (let edge = 0; edge < edgeCount; edge++) {
    const to = edges[edge * edgeFields.width + edgeFields.toNode]!;
    if (to >= end || to % nodeFields.width !== 0) throw damaged('an edge leads nowhere');
  }
}
