// Ordinary programs work unchanged under memprof-run: shells, npm, Python, a compiler.
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import { run, runTraced, scratchFolder } from '../e2e/support/run.js';

const commands: Record<string, string[]> = {
  'sh with a pipeline': ['sh', '-c', 'printf "b\\na\\n" | sort | tr a-z A-Z; exit 3'],
  'sh with a background job and a trap': [
    'sh',
    '-c',
    'trap "echo bye" EXIT; sleep 0.1 & wait; echo $((6 * 7))',
  ],
  'bash with substitutions': [
    'bash',
    '-c',
    'for i in 1 2 3; do echo "$(echo "$i" | rev)"; done; [[ abc =~ b ]]',
  ],
  'npm --version': ['npm', '--version'],
  'node running a script with workers': [
    process.execPath,
    '-e',
    'const { Worker } = require("worker_threads"); let n = 0; for (let i = 0; i < 4; i++) new Worker("process.exitCode = 3", { eval: true }).on("exit", (code) => { if (++n === 4) console.log("four workers", code); });',
  ],
  'node ending by an uncaught error': [process.execPath, '-e', 'process.exitCode = 5; null.x'],
  'node ending by process.exit': [process.execPath, '-e', 'console.log(1); process.exit(9)'],
  'node ending by abort': [
    process.execPath,
    '--abort-on-uncaught-exception',
    '-e',
    'process.abort()',
  ],
  'node with child processes': [
    process.execPath,
    '-e',
    'const c = require("child_process"); console.log(c.execFileSync("node", ["-p", "6*7"]).toString(), c.spawnSync("sh", ["-c", "exit 4"]).status);',
  ],
  'python3 with threads and a subprocess': [
    'python3',
    '-c',
    'import json, threading, subprocess\nt = [threading.Thread(target=lambda: [bytearray(n) for n in range(1000)]) for _ in range(4)]\n[x.start() for x in t]; [x.join() for x in t]\nprint(json.dumps({"a": [1, 2]}), subprocess.run(["sh", "-c", "exit 6"]).returncode)',
  ],
  'tar and gzip': ['sh', '-c', 'mkdir d && echo hello > d/f && tar czf a.tgz d && tar tzf a.tgz'],
  'find and xargs': ['sh', '-c', 'touch x1 x2 && find . -name "x?" | sort | xargs -n1 basename'],
  git: [
    'sh',
    '-c',
    'git init -q r && cd r && git -c user.name=n -c user.email=e commit -q --allow-empty -m m && git log --format=%s',
  ],
};

for (const [name, command] of Object.entries(commands)) {
  test(`works unchanged: ${name}`, async (t) => {
    const plain = await run(command, { cwd: await scratchFolder(t) });
    const output = await scratchFolder(t);
    const traced = await runTraced(command, {
      cwd: await scratchFolder(t),
      memprofOptions: ['-q', '-o', join(output, '%p.mprof')],
    });
    t.is(traced.stdout, plain.stdout);
    t.is(traced.stderr, plain.stderr);
    t.is(traced.code, plain.code);
    t.is(traced.signal, plain.signal);
  });
}

test('works unchanged: gcc compiles a file that then runs', async (t) => {
  const folder = await scratchFolder(t);
  await writeFile(
    join(folder, 'a.c'),
    '#include <stdio.h>\nint main(void) { puts("compiled"); return 8; }\n',
  );
  const output = await scratchFolder(t);
  const outcome = await runTraced(['gcc', '-O2', '-Wall', '-o', 'a.out', 'a.c'], {
    cwd: folder,
    memprofOptions: ['-q', '-o', join(output, '%p.mprof')],
  });
  t.is(outcome.code, 0, outcome.stderr);
  t.is(outcome.stderr, '');
  const made = await run([join(folder, 'a.out')]);
  t.is(made.stdout, 'compiled\n');
  t.is(made.code, 8);
});

test('the user’s own LD_PRELOAD and NODE_OPTIONS are kept', async (t) => {
  const folder = await scratchFolder(t);
  await writeFile(join(folder, 'extra.cjs'), 'globalThis.extra = "loaded";\n');
  const outcome = await runTraced(
    [
      process.execPath,
      '-p',
      '[extra, process.env.LD_PRELOAD.split(":").length > 1, v8.getHeapStatistics().heap_size_limit < 3e8]',
    ],
    {
      cwd: folder,
      memprofOptions: ['-q', '-o', 'x.mprof'],
      env: {
        NODE_OPTIONS: `--require ${join(folder, 'extra.cjs')} --max-old-space-size=200`,
        LD_PRELOAD: 'libm.so.6',
      },
    },
  );
  t.is(outcome.stdout, "[ 'loaded', true, true ]\n", outcome.stderr);
});
