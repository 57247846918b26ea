// The package as it is published: what a user's compiler and Node find in it.
import { execFile } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import test from 'ava';
import { packageRoot } from '../../src/paths.js';
import { run, scratchFolder } from '../e2e/support/run.js';
import { keeperTrace } from './support.js';

const execute = promisify(execFile);
const real = await keeperTrace();
test.after.always(() => real.remove());

const consumer = `
import { checkpoint, EventKind, MemprofError, openTrace, type Site, type Trace } from 'memprof';
const trace: Trace = await openTrace(process.argv[2] ?? '');
const sites: Site[] = await trace.sites({ moment: 'at-end', size: { min: 1, max: Infinity } });
const first: string | null | undefined = sites[0]?.frames[0]?.function;
// @ts-expect-error there is no such moment
const none = trace.sites({ moment: 'tomorrow' }).catch(() => []);
for await (const block of trace.blocks()) { const size: number = block.sizeBytes; void size; break; }
for (const batch of trace.events()) { const kinds: Uint8Array = batch.kind; void kinds; break; }
console.log(sites.length > 0, typeof first, EventKind.release, typeof checkpoint);
await none;
try { await openTrace('none.mprof'); } catch (error) { console.log(error instanceof MemprofError); }
`;

test('a TypeScript project finds the types under node16 and bundler, and the packed package runs', async (t) => {
  const folder = await scratchFolder(t);
  const installed = join(folder, 'node_modules', 'memprof');
  await mkdir(installed, { recursive: true });
  const pack = ['pack', '--silent', '--ignore-scripts', '--pack-destination', folder];
  const { stdout } = await execute('npm', pack, { cwd: packageRoot });
  const archive = join(folder, stdout.trim().split('\n').at(-1) as string);
  await execute('tar', ['xzf', archive, '-C', installed, '--strip-components=1']);
  await writeFile(join(folder, 'package.json'), '{ "type": "module", "private": true }\n');
  await writeFile(join(folder, 'app.ts'), consumer);
  const tsc = join(packageRoot, 'node_modules', 'typescript', 'bin', 'tsc');
  const types = ['--types', 'node', '--typeRoots', join(packageRoot, 'node_modules', '@types')];
  const options = ['--strict', '--target', 'es2022', '--skipLibCheck', 'false', ...types];
  for (const [module, resolution] of [
    ['node16', 'node16'],
    ['esnext', 'bundler'],
  ]) {
    const how = ['--module', module as string, '--moduleResolution', resolution as string];
    const compiled = await run([process.execPath, tsc, ...options, ...how, 'app.ts'], {
      cwd: folder,
    });
    t.is(compiled.code, 0, `${resolution}: ${compiled.stdout}`);
  }
  const outcome = await run([process.execPath, 'app.js', real.path], { cwd: folder });
  t.is(outcome.stdout, 'true string 2 function\ntrue\n', outcome.stderr);
});
