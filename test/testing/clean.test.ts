// A sample of scripts/clean-runs: functions over real addons that leak nothing are not called leaks.
import { join } from 'node:path';
import test from 'ava';
import { memprofRunBinPath, packageRoot } from '../../src/paths.js';
import { buildWithNodeGyp, installed } from '../e2e/support/npm.js';
import { run } from '../e2e/support/run.js';

const sqlite = await installed('better-sqlite3', ['better-sqlite3@12.9.0'], {
  prepare: (folder) => buildWithNodeGyp(join(folder, 'node_modules', 'better-sqlite3')),
});
const addons = await installed('addons', ['sharp@0.35.5', 'bcrypt@6.0.0', '@node-rs/argon2@2.2.1']);
const none = { folder: packageRoot, reason: null };

const sample = [
  { name: 'better-sqlite3', from: sqlite, functions: ['open and close', 'user function'] },
  { name: 'sharp', from: addons, functions: ['resize'] },
  { name: 'bcrypt', from: addons, functions: ['hash'] },
  { name: 'zlib', from: none, functions: ['stream'] },
  { name: 'crypto', from: none, functions: ['aes'] },
];

for (const { name, from, functions } of sample) {
  const because = from.reason === null ? '' : ` (skipped: ${from.reason})`;
  const declare = from.folder === null ? test.skip : test.serial;
  declare(`${name} leaks nothing in ${functions.join(', ')}${because}`, async (t) => {
    const script = join(packageRoot, 'bench', 'clean', 'run.mjs');
    const command = [memprofRunBinPath, '-q', '-o', '/dev/null', process.execPath, script];
    const outcome = await run([
      process.execPath,
      ...command,
      name,
      from.folder as string,
      ...functions,
    ]);
    t.is(outcome.code, 0, outcome.stderr);
    const rows = outcome.stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { name: string; isClean: boolean; message?: string });
    t.deepEqual(
      rows.map((row) => row.name),
      functions,
    );
    for (const row of rows) t.true(row.isClean, row.message);
  });
}
