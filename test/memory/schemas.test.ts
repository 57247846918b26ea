import { join } from 'node:path';
import test from 'ava';
import { validJson } from '../commands/support.js';
import { memprofBin, run, runTraced, scratchFolder } from '../e2e/support/run.js';

test('what rss, fragmentation and replay print as JSON is what their schemas say', async (t) => {
  const trace = join(await scratchFolder(t), 'run.mprof');
  const script = 'globalThis.kept = Buffer.alloc(2e7, 1); setTimeout(() => 0, 1500)';
  await runTraced([process.execPath, '-e', script], { memprofOptions: ['--quiet', '-o', trace] });
  const commands: [schema: string, ...argv: string[]][] = [
    ['rss', 'rss'],
    ['rss-timeline', 'rss', '--timeline'],
    ['fragmentation', 'fragmentation'],
    ['replay', 'replay', '--with', 'arena-max-1,jemalloc'],
  ];
  for (const [schema, command, ...options] of commands) {
    const outcome = await run([
      process.execPath,
      memprofBin,
      command as string,
      '--json',
      trace,
      ...options,
    ]);
    t.is(outcome.code, 0, outcome.stderr);
    async function* printed() {
      yield outcome.stdout;
    }
    await validJson(t, schema, printed());
  }
});
