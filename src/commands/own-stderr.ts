// memprof-run's standard error, without what Node loads for its own.
import { fstatSync, writeSync } from 'node:fs';
import type { TextOutput } from '../text-output.js';

/**
 * memprof-run's standard error. Node loads its streams and sockets for process.stderr, while the program waits:
 * files and pipes are written to without. Both ways a write ends when the system has taken all of it.
 */
export function ownStderr(): TextOutput {
  try {
    if (fstatSync(2).isCharacterDevice()) return process.stderr;
  } catch {
    // Closed: Node's own stream knows what to do.
    return process.stderr;
  }
  return new DescriptorOutput(2, () => process.stderr);
}

type Listener = (error: NodeJS.ErrnoException) => void;

/** Exported for its test. */
export class DescriptorOutput implements TextOutput {
  readonly #descriptor: number;
  readonly #openStream: () => TextOutput;
  readonly #listeners: Listener[] = [];
  #stream: TextOutput | null = null;

  constructor(descriptor: number, openStream: () => TextOutput) {
    this.#descriptor = descriptor;
    this.#openStream = openStream;
  }

  write(text: string | Uint8Array, done?: () => void): boolean {
    let left: Uint8Array = typeof text === 'string' ? Buffer.from(text) : text;
    try {
      while (this.#stream === null && left.length > 0)
        left = left.subarray(writeSync(this.#descriptor, left));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') {
        // As a stream does: never from within the call.
        setImmediate(() => {
          done?.();
          for (const listener of this.#listeners) listener(error as NodeJS.ErrnoException);
        });
        return true;
      }
      // Somebody else made it non-blocking, and it is full. A stream can wait.
      this.#stream = this.#openStream();
      for (const listener of this.#listeners) this.#stream.on('error', listener);
    }
    if (this.#stream !== null) return this.#stream.write(left, done);
    if (done !== undefined) setImmediate(done);
    return true;
  }

  on(_event: 'error', listener: Listener): this {
    this.#listeners.push(listener);
    this.#stream?.on('error', listener);
    return this;
  }
}
