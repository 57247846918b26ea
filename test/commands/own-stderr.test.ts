// memprof's own words reach files and pipes without a stream of Node's, and a full pipe loses none of them.
import { spawn, spawnSync } from 'node:child_process';
import { closeSync, constants, openSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { writeLines } from '../../src/commands/output.js';
import { DescriptorOutput } from '../../src/commands/own-stderr.js';
import type { TextOutput } from '../../src/text-output.js';
import { scratchFolder } from '../e2e/support/run.js';

const noStream = (): TextOutput => {
  throw new Error('a stream was opened');
};

test('lines are in the file when writing them is done', async (t) => {
  const file = join(await scratchFolder(t), 'out');
  const descriptor = openSync(file, 'w');
  const lines = Array.from({ length: 20_000 }, (_, i) => `line ${i} ä`);
  await writeLines(new DescriptorOutput(descriptor, noStream), lines);
  t.is(readFileSync(file, 'utf8'), `${lines.join('\n')}\n`);
  closeSync(descriptor);
});

test('an error is told as a stream tells it', async (t) => {
  const file = join(await scratchFolder(t), 'out');
  writeFileSync(file, 'x');
  const readOnly = openSync(file, 'r');
  await t.throwsAsync(writeLines(new DescriptorOutput(readOnly, noStream), ['a']), {
    code: 'EBADF',
  });
  closeSync(readOnly);
});

test('of a pipe whose reader has gone nothing is said', async (t) => {
  const pipe = join(await scratchFolder(t), 'pipe');
  spawnSync('mkfifo', [pipe]);
  const reading = openSync(pipe, constants.O_RDONLY | constants.O_NONBLOCK);
  const writing = openSync(pipe, 'w');
  closeSync(reading);
  await t.notThrowsAsync(
    writeLines(new DescriptorOutput(writing, noStream), ['x'.repeat(70_000), 'y'.repeat(70_000)]),
  );
  closeSync(writing);
});

test('what a full pipe does not take is left to a stream, in order', async (t) => {
  // Pipes of Node's are non-blocking on this side.
  const reader = spawn(
    process.execPath,
    ['-e', 'setTimeout(() => process.stdin.pipe(process.stdout), 300)'],
    {
      stdio: ['pipe', 'pipe', 'inherit'],
    },
  );
  const { fd } = (reader.stdin as unknown as { _handle: { fd: number } })._handle;
  let streams = 0;
  const output = new DescriptorOutput(fd, () => {
    streams++;
    return reader.stdin;
  });
  const pieces: Buffer[] = [];
  reader.stdout.on('data', (piece: Buffer) => pieces.push(piece));
  const ended = new Promise((done) => reader.stdout.on('end', done));
  const lines = Array.from({ length: 40_000 }, (_, i) => `line ${i} ${'z'.repeat(40)}`);
  await writeLines(output, lines);
  reader.stdin.end();
  await ended;
  t.is(streams, 1);
  t.is(Buffer.concat(pieces).toString(), `${lines.join('\n')}\n`);
});
