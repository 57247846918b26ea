// Where an export goes: a file that is not overwritten by accident, or standard output.
import { closeSync, openSync, renameSync, statSync, unlinkSync, writeSync } from 'node:fs';
import { ExitCode, MemprofError } from '../errors.js';
import { shellQuote } from '../report/index.js';

type Piece = string | Uint8Array;

/**
 * Opens the file before the work begins. If the work fails, a new file is taken away again and an old one stays
 * as it was. Returns the size.
 */
export async function writeFile(
  path: string,
  mayOverwrite: boolean,
  pieces: () => Promise<AsyncIterable<Piece> | Iterable<Piece>>,
): Promise<number> {
  const { writtenPath, descriptor, isOurs } = openTarget(path, mayOverwrite);
  let bytes = 0;
  try {
    for await (const piece of await pieces()) {
      const data = Buffer.from(piece as Uint8Array);
      for (let at = 0; at < data.length; ) at += writeSync(descriptor, data, at);
      bytes += data.length;
    }
  } catch (error) {
    closeSync(descriptor);
    if (isOurs) unlinkSync(writtenPath);
    throw isFull(error) ? notWritable(path, error) : error;
  }
  closeSync(descriptor);
  if (writtenPath !== path) renameSync(writtenPath, path);
  return bytes;
}

interface Target {
  writtenPath: string;
  descriptor: number;
  /** False of devices and pipes, which are written as they are. */
  isOurs: boolean;
}

function openTarget(path: string, mayOverwrite: boolean): Target {
  const existing = statSync(path, { throwIfNoEntry: false });
  try {
    if (existing !== undefined && !existing.isFile() && !existing.isDirectory())
      return { writtenPath: path, descriptor: openSync(path, 'w'), isOurs: false };
    const writtenPath = existing !== undefined && mayOverwrite ? `${path}.part` : path;
    const flags = writtenPath === path ? 'wx' : 'w';
    return { writtenPath, descriptor: openSync(writtenPath, flags, 0o600), isOurs: true };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST')
      throw new MemprofError(
        'ERR_MEMPROF_FILE_EXISTS',
        `${path} exists and is not overwritten. Choose another name with -o, or overwrite it with -f.`,
        ExitCode.usage,
      );
    throw notWritable(path, error);
  }
}

/** With back pressure. A reader that has gone (`| head`) is no failure. */
export async function writeStream(
  stream: NodeJS.WriteStream,
  pieces: AsyncIterable<Piece> | Iterable<Piece>,
): Promise<void> {
  let failure: NodeJS.ErrnoException | null = null;
  const onError = (error: NodeJS.ErrnoException): void => {
    failure ??= error;
  };
  stream.on('error', onError);
  for await (const piece of pieces) {
    await new Promise<void>((done) => {
      stream.write(piece, () => done());
    });
    if (failure !== null) break;
  }
  // The error event follows the callback.
  await new Promise((done) => setImmediate(done));
  const seen = failure as NodeJS.ErrnoException | null;
  if (seen !== null && seen.code !== 'EPIPE') throw seen;
}

const isFull = (error: unknown): boolean =>
  error instanceof Error && 'syscall' in error && error.syscall === 'write';

function notWritable(path: string, error: unknown): MemprofError {
  const reason = error instanceof Error ? error.message : String(error);
  return new MemprofError(
    'ERR_MEMPROF_FILE_NOT_WRITABLE',
    `${shellQuote(path)} cannot be written (${reason}). Choose another place with -o.`,
  );
}
