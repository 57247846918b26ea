// Reads a trace from disk, piece by piece: its events may be larger than memory.
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { MemprofError } from '../errors.js';
import type { TraceModel } from '../model/index.js';
import { crc32, zstdCompress, zstdDecompress } from '../native/index.js';
import { type Codec, type TraceSource, openTrace } from '../trace/index.js';

const codec: Codec = {
  compress: (data) => zstdCompress(data, 3),
  decompress: zstdDecompress,
  crc32,
};

export function readTraceFile(path: string): TraceModel {
  const file = open(path);
  try {
    const stats = fstatSync(file);
    if (stats.isDirectory()) throw new MemprofError('ERR_MEMPROF_NO_TRACE', `${path} is a folder. Name a .mprof file in it`);
    if (!stats.isFile()) throw new MemprofError('ERR_MEMPROF_NO_TRACE', `${path} is not a regular file. Name a .mprof file`);
    return openTrace(fileSource(file, path, stats.size), codec);
  } finally {
    closeSync(file);
  }
}

function open(path: string): number {
  try {
    // Not blocking: a named pipe would wait for a writer that never comes.
    return openSync(path, 0o4000);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') throw new MemprofError('ERR_MEMPROF_NO_TRACE', `${path}: no such file. Name the .mprof file that memprof-run wrote`);
    throw new MemprofError('ERR_MEMPROF_NO_TRACE', `${path} cannot be read (${code}). Check its permissions`);
  }
}

function fileSource(file: number, name: string, sizeBytes: number): TraceSource {
  return {
    name,
    sizeBytes,
    read(offset, length) {
      const bytes = new Uint8Array(Math.max(0, Math.min(length, sizeBytes - offset)));
      let filled = 0;
      while (filled < bytes.length) {
        const count = readSync(file, bytes, filled, bytes.length - filled, offset + filled);
        if (count === 0) break;
        filled += count;
      }
      return bytes.subarray(0, filled);
    },
  };
}
