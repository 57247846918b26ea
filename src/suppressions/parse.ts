// Suppression files to rules. The format is told by the first line that says something.
import { MemprofError } from '../errors.js';
import type { SuppressionRule } from './rule.js';
import { readValgrindEntries } from './valgrind.js';

/** A line that says something, trimmed. */
export interface FileLine {
  text: string;
  /** From 1. */
  line: number;
}

export interface Place {
  scope: SuppressionRule['scope'];
  fingerprint: string | null;
}

/** Lines one after the other; comments are skipped, but for those that are meant for memprof. */
export class SuppressionLines {
  readonly file: string;
  readonly #lines: readonly string[];
  #at = 0;
  #scope: SuppressionRule['scope'] = 'allocation';
  #fingerprint: string | null = null;

  constructor(text: string, file: string) {
    this.file = file;
    this.#lines = text.replace(/^\ufeff/, '').split('\n');
  }

  next(): FileLine | null {
    while (this.#at < this.#lines.length) {
      const text = this.#lines[this.#at++].trim();
      if (text === '') continue;
      if (!text.startsWith('#')) return { text, line: this.#at };
      this.#readComment(text);
    }
    return null;
  }

  /** What comments said of the next rule. A fingerprint is for one rule only. */
  takePlace(): Place {
    const place = { scope: this.#scope, fingerprint: this.#fingerprint };
    this.#fingerprint = null;
    return place;
  }

  fail(line: number, expected: string, found: string): never {
    const shown = found.length > 80 ? `${found.slice(0, 79)}…` : found;
    throw new MemprofError(
      'ERR_MEMPROF_SUPPRESSIONS',
      `${this.file}:${line}: expected ${expected}, found ${shown === '' ? 'the end of the file' : `"${shown}"`}`,
    );
  }

  get lastLine(): number {
    return this.#lines.length;
  }

  #readComment(text: string): void {
    const words = /^#+\s*memprof:\s*(.*)$/.exec(text)?.[1];
    if (words === undefined) return;
    const fingerprint = /^finding ([0-9a-f]{8,64})$/.exec(words)?.[1];
    if (fingerprint !== undefined) this.#fingerprint = fingerprint;
    else if (words === 'match the whole stack') this.#scope = 'stack';
    else if (words === 'match the allocation') this.#scope = 'allocation';
    else
      this.fail(
        this.#at,
        '"# memprof: match the whole stack", "# memprof: match the allocation" or "# memprof: finding FINGERPRINT"',
        text,
      );
  }
}

export function parseSuppressions(text: string, file: string): SuppressionRule[] {
  const lines = new SuppressionLines(text, file);
  const first = lines.next();
  if (first === null) return [];
  return first.text.startsWith('{')
    ? readValgrindEntries(lines, first)
    : readTemplates(lines, first);
}

function readTemplates(lines: SuppressionLines, first: FileLine): SuppressionRule[] {
  const rules: SuppressionRule[] = [];
  for (let one: FileLine | null = first; one !== null; one = lines.next()) {
    const { text, line } = one;
    const template = /^leak:(.*)$/.exec(text)?.[1].trim();
    if (template === undefined)
      lines.fail(line, 'leak:PATTERN (or "{" at the start of a valgrind file)', text);
    if (/^[\^*$]*$/.test(template))
      lines.fail(line, 'a pattern that does not match everything behind leak:', text);
    rules.push({ format: 'lsan', template, file: lines.file, line, ...lines.takePlace() });
  }
  return rules;
}
