// Command lines that are read without commander mean the same as with it.
import test from 'ava';
import fc from 'fast-check';
import { withEmptyValues } from '../../src/commands/check-words.js';
import { parseWith } from '../../src/commands/commander-errors.js';
import { parsePlainWords } from '../../src/commands/plain-words.js';
import { runCommand } from '../../src/commands/run-program.js';

/** What commander makes of them; null: it refuses, or prints something. */
async function withCommander(argv: readonly string[]) {
  const seen: { program: readonly string[]; options: unknown }[] = [];
  const command = runCommand(async (program, options) => {
    seen.push({ program, options: { ...options } });
  }).configureOutput({ writeOut() {}, writeErr() {} });
  try {
    await parseWith(command, withEmptyValues(argv, command.options), 125);
  } catch {
    return null;
  }
  return seen[0] ?? null;
}

const words = fc.constantFrom(
  ...['-q', '--quiet', '-f', '--force', '-o', '-oa', '-qf', '--output', '--output=b', '--output='],
  ...['--events', '--events=none', '--events=full', '--events=some', 'full', 'none', 'exit', ''],
  ...['--checkpoint', '--checkpoint=exit', '--checkpoint=none', '--checkpoint=1s', '--', '-'],
  ...['node', 'app.js', '-e', '--check', '--report', '--depth=3', '--version', '-h', '=', '--=x'],
);

test('what is read as plain means the same to commander', async (t) => {
  let plainCount = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(words, { maxLength: 7 }), async (argv) => {
      const plain = parsePlainWords(argv);
      if (plain === null) return;
      plainCount++;
      const expected = await withCommander(argv);
      t.deepEqual({ ...plain, program: [...plain.program] }, expected as never, argv.join(' '));
    }),
    { numRuns: 5000 },
  );
  t.true(plainCount > 300, `${plainCount}`);
});

for (const [line, program] of [
  ['node app.js', 'node app.js'],
  ['-q -f -o a.mprof --events none --checkpoint=none -- node -e 0', 'node -e 0'],
  ['-o -q sh -c true', 'sh -c true'],
]) {
  test(`plain: ${line}`, (t) => {
    t.deepEqual(parsePlainWords(line.split(' '))?.program, program.split(' '));
  });
}

for (const line of ['--check node a.js', '-qf node', '--depth 3 node', '--help', '-o', '--', '-q'])
  test(`left to commander: ${line}`, (t) => {
    t.is(parsePlainWords(line.split(' ')), null);
  });
