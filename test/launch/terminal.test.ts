import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { packageRoot } from '../../src/paths.js';

const bin = (name: string): string => join(packageRoot, 'dist', 'src', 'bin', `${name}.js`);
const hasPython = spawnSync('python3', ['-c', 'import pty']).status === 0;

// A terminal of its own; types Ctrl-C once when the program says that it is ready.
const typeControlC = `
import os, pty, sys
pid, fd = pty.fork()
if pid == 0:
    os.execvp(sys.argv[1], sys.argv[1:])
out = b''
typed = False
while True:
    try:
        piece = os.read(fd, 4096)
    except OSError:
        break
    if not piece:
        break
    out += piece
    if b'ready' in out and not typed:
        typed = True
        os.write(fd, b'\\x03')
status = os.waitpid(pid, 0)[1]
sys.stdout.buffer.write(out)
sys.exit(os.waitstatus_to_exitcode(status))
`;

// Ends a while after the first SIGINT, so that a second one would be counted.
const countsInterrupts = `
let count = 0;
process.on('SIGINT', () => { if (++count === 1) setTimeout(() => { console.log('interrupts: ' + count); process.exit(7); }, 400); });
setInterval(() => {}, 1000);
console.log('ready');
`;

(hasPython ? test : test.skip)(
  'one Ctrl-C on a terminal reaches the program once, and its status is passed on',
  (t) => {
    const { NODE_OPTIONS: _none, ...environment } = process.env;
    const outcome = spawnSync(
      'python3',
      [
        '-c',
        typeControlC,
        process.execPath,
        bin('memprof-run'),
        '-q',
        '-o',
        '/dev/null',
        'node',
        '-e',
        countsInterrupts,
      ],
      {
        encoding: 'utf8',
        env: environment,
      },
    );
    t.regex(outcome.stdout, /interrupts: 1\r?\n/);
    t.is(outcome.status, 7, outcome.stdout + outcome.stderr);
  },
);

test('further descriptors, argv[0] and the empty environment of the user reach the program', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'memprof-launch-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const run = `"${process.execPath}" "${bin('memprof-run')}" -q -o /dev/null`;
  const outcome = spawnSync(
    'bash',
    ['-c', `exec 3>three; ${run} sh -c 'echo to three >&3; echo $0 $1' name first; cat three`],
    { cwd: folder, encoding: 'utf8' },
  );
  t.is(outcome.stdout, 'name first\nto three\n', outcome.stderr);
});

test('a reader that closes the pipe early ends memprof quietly', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'memprof-launch-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const memprof = `"${process.execPath}" "${bin('memprof')}"`;
  const run = `"${process.execPath}" "${bin('memprof-run')}" -q -o x.mprof node -e 1`;
  const outcome = spawnSync(
    'bash',
    ['-c', `${run} && ${memprof} blocks --json x.mprof | head -1; echo "status \${PIPESTATUS[0]}"`],
    { cwd: folder, encoding: 'utf8' },
  );
  t.is(outcome.stderr, '');
  t.is(outcome.stdout, '{\nstatus 0\n');
});
