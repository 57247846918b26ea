// Whatever lies where a question should be: an answer, and nothing worse.
import { execFileSync } from 'node:child_process';
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import fc from 'fast-check';
import { Recording } from '../../src/ledger/index.js';
import type { TraceModel } from '../../src/model/index.js';
import { QuestionFiles } from '../../src/record/question-files.js';
import type { StackParts, ViewSources } from '../../src/record/question-view.js';
import { type QuestionHandler, Questions } from '../../src/record/questions.js';
import { maxQuestionBytes } from '../../src/record/wire.js';
import { plainHost } from '../ledger/support.js';

const folder = mkdtempSync(join(tmpdir(), 'memprof-test-questions-'));
test.after.always(() => rmSync(folder, { recursive: true, force: true }));

const sources: ViewSources = {
  recording: new Recording(plainHost, 16),
  nsPerTick: () => 1,
  process: () => ({ pid: 7, ppid: 1, generation: 0, argv: [], executable: '', isRoot: true }),
  tracePath: () => null,
  stackCount: () => 0,
  stackParts: () => ({}) as StackParts,
  model: () => ({}) as TraceModel,
  namingModel: () => ({}) as TraceModel,
  prepareCheckpoints: () => undefined,
  checkpoint: () => Promise.reject(new Error('none')),
};

let last = 0;
/** Has something made at a question's place, asks it, and reads the answer; undefined: none was written. */
async function answerTo(
  make: (path: string) => void,
  handler: QuestionHandler = (_, text) => text,
): Promise<{ answer: string | undefined; warnings: string[] }> {
  const number = ++last;
  make(join(folder, `p7.0.q${number}`));
  const questions = new Questions(new QuestionFiles(folder, 'p7.0'), handler, sources);
  questions.ask({ number, tick: 1, threadIndex: 0 });
  await questions.settle();
  const path = join(folder, `p7.0.a${number}`);
  const isThere = statSync(path, { throwIfNoEntry: false })?.isFile() === true;
  const answer = isThere ? readFileSync(path, 'utf8') : undefined;
  const halves = readdirSync(folder).filter((name) => name.startsWith('.tmp.'));
  if (halves.length > 0) throw new Error(`left behind: ${halves.join(' ')}`);
  return { answer, warnings: questions.warnings };
}

const codeOf = (answer: string | undefined): string => JSON.parse(answer ?? '{}').error?.code;

test('any bytes are either the very text or an error', async (t) => {
  const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  await fc.assert(
    fc.asyncProperty(
      fc.oneof(
        fc.uint8Array({ maxLength: 200 }),
        fc.string({ unit: 'binary' }).map((text) => new TextEncoder().encode(text)),
      ),
      async (bytes) => {
        let expected: string | null = null;
        try {
          expected = strict.decode(bytes);
        } catch {
          // Not UTF-8.
        }
        const { answer, warnings } = await answerTo((path) => writeFileSync(path, bytes));
        if (expected === null) t.is(codeOf(answer), 'ERR_MEMPROF_BAD_QUESTION');
        else t.is(answer, expected);
        t.deepEqual(warnings, []);
      },
    ),
  );
});

test('a question of the largest size is taken, a larger one is told so, and is not read', async (t) => {
  const text = 'x'.repeat(maxQuestionBytes);
  t.is((await answerTo((path) => writeFileSync(path, text))).answer, text);
  t.is(
    codeOf((await answerTo((path) => writeFileSync(path, `${text}x`))).answer),
    'ERR_MEMPROF_QUESTION_TOO_LARGE',
  );
  const sparse = await answerTo((path) => {
    writeFileSync(path, '');
    truncateSync(path, 2 ** 40);
  });
  t.is(codeOf(sparse.answer), 'ERR_MEMPROF_QUESTION_TOO_LARGE');
});

test('folders, pipes, links and files that may not be read hold nobody up', async (t) => {
  const makers: ((path: string) => void)[] = [
    (path) => mkdirSync(path),
    (path) => {
      execFileSync('mkfifo', [path]);
    },
    (path) => symlinkSync('/dev/zero', path),
  ];
  for (const make of makers) {
    const { answer, warnings } = await answerTo(make);
    t.is(codeOf(answer), 'ERR_MEMPROF_BAD_QUESTION');
    t.deepEqual(warnings, []);
  }
});

test('where there is no question nobody waits, and nothing is written', async (t) => {
  const { answer, warnings } = await answerTo(() => undefined);
  t.is(answer, undefined);
  t.deepEqual(warnings, []);
});

test('a place for the answer that is taken is a warning, not an end', async (t) => {
  const { answer, warnings } = await answerTo((path) => {
    writeFileSync(path, 'text');
    mkdirSync(join(path.replace('.q', '.a'), 'full'), { recursive: true });
  });
  t.is(answer, undefined);
  t.is(warnings.length, 1);
});

test('an answer that is no text is an error answer', async (t) => {
  for (const wrong of [undefined, null, 5, {}, Promise.resolve(undefined)]) {
    const { answer } = await answerTo(
      (path) => writeFileSync(path, 'text'),
      () => wrong as unknown as string,
    );
    t.is(codeOf(answer), 'ERR_MEMPROF_ANSWER');
  }
});
