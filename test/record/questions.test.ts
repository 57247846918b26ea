// Questions of real programs, answered by a real reader.
import test from 'ava';
import { MemprofError } from '../../src/errors.js';
import { runAsked } from './asked.js';

test('a question is answered, a thousand in a row are, each with its own answer', async (t) => {
  const asked: number[] = [];
  const { code, stdout, stderr, recorded } = await runAsked(
    `let wrong = 0;
    for (let i = 0; i < 1000; i++) if (agent.ask('q' + i, 20000) !== 'answer to q' + i) wrong++;
    console.log(wrong);`,
    (view, text) => {
      asked.push(view.number);
      return `answer to ${text}`;
    },
  );
  t.is(code, 0, stderr);
  t.is(stdout, '0\n');
  t.deepEqual(
    asked,
    Array.from({ length: 1000 }, (_, at) => at + 1),
  );
  t.deepEqual(recorded[0]?.warnings, []);
});

test('nobody to answer, a handler that throws, and one that rejects are error answers', async (t) => {
  const script = `console.log(agent.ask('throw', 20000)); console.log(agent.ask('reject', 20000));`;
  const alone = await runAsked(script);
  t.is(alone.code, 0, alone.stderr);
  for (const line of alone.stdout.trim().split('\n'))
    t.is(JSON.parse(line).error.code, 'ERR_MEMPROF_NO_ANSWERS');
  const failing = await runAsked(script, (_, text) => {
    if (text === 'throw') throw new MemprofError('ERR_MEMPROF_TEST', 'thrown');
    return Promise.reject(new TypeError('rejected'));
  });
  t.is(failing.code, 0, failing.stderr);
  t.deepEqual(
    failing.stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line)),
    [
      { error: { code: 'ERR_MEMPROF_TEST', message: 'thrown' } },
      { error: { code: 'ERR_MEMPROF_ANSWER', message: 'rejected' } },
    ],
  );
});

test('the view is as of the mark, and closes when the handler returns', async (t) => {
  const late: unknown[] = [];
  const { stdout, stderr } = await runAsked(
    `const keep = []; const ask = () => Number(agent.ask('live', 20000));
    ask();
    const before = ask();
    keep.push(Buffer.alloc(3_000_001));
    const after = ask();
    console.log(after - before);`,
    async (view) => {
      const { liveBytes } = view.totals();
      const sums = view.stackSums();
      t.is(
        sums.liveBytes.reduce((sum, bytes) => sum + bytes, 0),
        liveBytes,
      );
      await Promise.resolve();
      try {
        view.totals();
      } catch (error) {
        late.push((error as MemprofError).code);
      }
      return String(liveBytes);
    },
  );
  t.true(Number(stdout) >= 3_000_001 && Number(stdout) < 3_100_000, `${stdout}${stderr}`);
  t.deepEqual(late, Array(3).fill('ERR_MEMPROF_VIEW_CLOSED'));
});
