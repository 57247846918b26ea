// The files of a question and its answer in the session's folder: see interpose/wire.h. The program wrote
// them, or something in it that means no good, so nothing is believed of them.
import {
  closeSync,
  constants,
  existsSync,
  fstatSync,
  openSync,
  readSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { MemprofError } from '../errors.js';
import { maxQuestionBytes } from './wire.js';

export class QuestionFiles {
  private readonly folder: string;
  private readonly name: string;

  /** `name`: of the process's files: "p<pid>.<generation>". */
  constructor(folder: string, name: string) {
    this.folder = folder;
    this.name = name;
  }

  /** Throws a MemprofError that can be sent as the answer. */
  read(number: number): string {
    let descriptor: number;
    try {
      // A FIFO must not hold us up, a link must not lead us elsewhere.
      descriptor = openSync(
        this.questionPath(number),
        constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOFOLLOW,
      );
    } catch (error) {
      throw unreadable(number, (error as NodeJS.ErrnoException).code ?? String(error));
    }
    try {
      return decoded(number, bytesOf(descriptor, number));
    } finally {
      closeSync(descriptor);
    }
  }

  /** Nobody waits any more where the question is gone. */
  isAwaited(number: number): boolean {
    return existsSync(this.questionPath(number));
  }

  /** Throws when there is no room for it. */
  write(number: number, answer: string): void {
    const half = join(this.folder, `.tmp.${this.name}.a${number}`);
    try {
      rmSync(half, { force: true, recursive: true });
      writeFileSync(half, answer, { flag: 'wx', mode: 0o600 });
      renameSync(half, join(this.folder, `${this.name}.a${number}`));
    } catch (error) {
      rmSync(half, { force: true, recursive: true });
      throw error;
    }
  }

  private questionPath(number: number): string {
    return join(this.folder, `${this.name}.q${number}`);
  }
}

function bytesOf(descriptor: number, number: number): Uint8Array {
  const status = fstatSync(descriptor);
  if (!status.isFile()) throw unreadable(number, 'it is no file');
  if (status.size > maxQuestionBytes)
    throw new MemprofError(
      'ERR_MEMPROF_QUESTION_TOO_LARGE',
      `question ${number} has ${status.size} bytes; memprof-run takes ${maxQuestionBytes}`,
    );
  const bytes = new Uint8Array(status.size);
  let length = 0;
  while (length < bytes.length) {
    const got = readSync(descriptor, bytes, length, bytes.length - length, null);
    if (got === 0) break;
    length += got;
  }
  return bytes.subarray(0, length);
}

function decoded(number: number, bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw unreadable(number, 'it is not UTF-8');
  }
}

function unreadable(number: number, why: string): MemprofError {
  return new MemprofError(
    'ERR_MEMPROF_BAD_QUESTION',
    `question ${number} of the program cannot be read (${why})`,
  );
}
