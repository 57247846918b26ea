import { join } from 'node:path';
import test from 'ava';
import { packageRoot } from '../../src/paths.js';
import { installed } from '../e2e/support/npm.js';
import { run, scratchFolder } from '../e2e/support/run.js';

// As scripts/docs installs them.
const typedoc = await installed('typedoc', ['typedoc@0.28.20', 'typescript@6.0.3']);

(typedoc.folder === null ? test.skip : test)(
  `typedoc builds the reference of the library without a warning${typedoc.reason === null ? '' : ` (skipped: ${typedoc.reason})`}`,
  async (t) => {
    const folder = await scratchFolder(t);
    const outcome = await run([join(packageRoot, 'scripts', 'docs'), folder]);
    t.is(outcome.code, 0, outcome.stderr);
    t.notRegex(outcome.stderr, /warning/);
    t.is(outcome.stdout.trim(), join(folder, 'index.html'));
  },
);
