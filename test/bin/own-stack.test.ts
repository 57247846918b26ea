// Places in the bundle are shown as places in the sources.
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import test from 'ava';
import { withSourceLines } from '../../src/bin/own-stack.js';
import { memprofRunBinPath, packageRoot } from '../../src/paths.js';

const bundle = join(dirname(memprofRunBinPath), 'own-stack.cjs');
const source = join('src', 'bin', 'own-stack.ts');

/** Line and column, from 1, of the first such text. */
function placeOf(path: string, text: string): [number, number] {
  const before = readFileSync(path, 'utf8').split(text)[0].split('\n');
  return [before.length, before[before.length - 1].length + 1];
}

test('a stack of the bundle names the line of the source', (t) => {
  const [line, column] = placeOf(bundle, 'function readMap');
  const [sourceLine] = placeOf(join(packageRoot, source), 'function readMap');
  const mapped = withSourceLines(
    `Error: no\n    at readMap (${bundle}:${line}:${column})\n    at node:internal/x:1:2`,
  );
  const [head, frame, rest] = mapped.split('\n');
  t.is(head, 'Error: no');
  t.regex(frame, new RegExp(`^    at readMap \\(${source}:${sourceLine}:\\d+\\)$`));
  t.is(rest, '    at node:internal/x:1:2');
});

test('a place in a file without a map stays as it is', (t) => {
  const stack = 'Error: no\n    at f (/nowhere/at/all.cjs:3:14)';
  t.is(withSourceLines(stack), stack);
});
