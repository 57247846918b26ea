// Line tables of V8's code in a trace's facts: the bytes in base64, the rest as it is.
import type { CodeLines } from '../model/index.js';
import { TraceDamage } from './damage.js';

export type StoredCodeLines = [
  codeId: number,
  scriptId: number,
  entryCount: number,
  runCount: number,
  base64: string,
];

export function storeCodeLines(lines: CodeLines): StoredCodeLines {
  const { codeId, scriptId, entryCount, runCount, bytes } = lines;
  return [codeId, scriptId, entryCount, runCount, toBase64(bytes)];
}

export function loadCodeLines(stored: unknown): CodeLines {
  if (!Array.isArray(stored) || stored.length < 5) throw damaged();
  const [codeId, scriptId, entryCount, runCount, base64] = stored as unknown[];
  for (const number of [codeId, scriptId, entryCount, runCount])
    if (!Number.isSafeInteger(number)) throw damaged();
  if (typeof base64 !== 'string') throw damaged();
  return {
    codeId: codeId as number,
    scriptId: scriptId as number,
    entryCount: entryCount as number,
    runCount: runCount as number,
    bytes: new Uint8Array(Buffer.from(base64, 'base64')),
  };
}

const damaged = () => new TraceDamage('has a line table that is none');

function toBase64(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64');
}
