// The view in real terminals (tmux): what it shows, what its keys do, and that everything is as it was afterwards.
import { spawnSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import test, { type ExecutionContext } from 'ava';
import { memprofBin, run, runBin, scratchFolder } from '../e2e/support/run.js';

const hasTmux = spawnSync('tmux', ['-V']).status === 0;
const ifTmux = hasTmux ? test : test.skip;
if (!hasTmux) test('views are tested where tmux is', (t) => t.log('skipped: there is no tmux'));

/** Keeps a Buffer every tenth of a second until the file "stop" is there. */
const program = `
const kept = [];
function keepBuffers() { kept.push(Buffer.alloc(100_000, 1)); }
process.on('SIGINT', () => { console.log('interrupted'); process.exit(3); });
console.log('begun');
setInterval(() => { keepBuffers(); if (require('node:fs').existsSync('stop')) process.exit(5); }, 100);
`;

class Terminal {
  readonly folder: string;
  readonly #socket = `memprof-${randomUUID()}`;

  constructor(t: ExecutionContext, folder: string, columns: number) {
    this.folder = folder;
    this.#tmux(
      '-f',
      '/dev/null',
      'new-session',
      '-d',
      '-x',
      `${columns}`,
      '-y',
      '24',
      '-s',
      'one',
      'sh',
    );
    t.teardown(() => this.#tmux('kill-server'));
    this.type(`PS1='ready> '; cd ${folder}; clear`);
  }

  type(line: string): void {
    this.keys('-l', line);
    this.keys('Enter');
  }

  keys(...keys: string[]): void {
    this.#tmux('send-keys', '-t', 'one', ...keys);
  }

  resize(columns: number, rows: number): void {
    this.#tmux('resize-window', '-t', 'one', '-x', `${columns}`, '-y', `${rows}`);
  }

  screen(): string {
    return this.#tmux('capture-pane', '-p', '-t', 'one');
  }

  async until(pattern: RegExp): Promise<string> {
    for (const begin = performance.now(); performance.now() - begin < 60_000; await sleep(100)) {
      const screen = this.screen();
      if (pattern.test(screen)) return screen;
    }
    throw new Error(`${pattern} did not come:\n${this.screen()}`);
  }

  #tmux(...words: string[]): string {
    return spawnSync('tmux', ['-L', this.#socket, ...words], { encoding: 'utf8' }).stdout;
  }
}

/** What the program has written while the view has the terminal. */
function logIn(folder: string): string {
  const [log] = readdirSync(folder).filter((name) => name.endsWith('.log'));
  return log === undefined ? '' : readFileSync(join(folder, log), 'utf8');
}

async function until(isTrue: () => boolean): Promise<void> {
  for (const begin = performance.now(); performance.now() - begin < 60_000; await sleep(50))
    if (isTrue()) return;
  throw new Error('what the test waits for did not come');
}

async function programIn(t: ExecutionContext): Promise<string> {
  const folder = await scratchFolder(t);
  writeFileSync(join(folder, 'keep.cjs'), program);
  return folder;
}

const runLine = `"${process.execPath}" "${runBin}" --live --checkpoint none -o t.mprof node keep.cjs`;

ifTmux(
  '--live shows sites and stacks, is left with q, and the report comes at the end',
  async (t) => {
    const folder = await programIn(t);
    const terminal = new Terminal(t, folder, 90);
    terminal.type(
      `${runLine}; echo status $?; stty -a | tr ' ;' '\\n' | grep -x -e -icanon -e icanon`,
    );
    await terminal.until(/keepBuffers keep\.cjs:3/);
    // The last column is drawn.
    t.regex(terminal.screen().split('\n')[0] as string, /^(?=.{90}$).*\d m?s$/);
    terminal.resize(50, 16);
    t.is((await terminal.until(/^(?=.{50}$).*\d m?s$/m)).trimEnd().split('\n').length, 16);
    terminal.resize(90, 24);
    terminal.keys('/', 'k', 'e', 'e', 'p', 'B', 'Enter');
    await terminal.until(/filter: keepB/);
    terminal.keys('g', 'Enter');
    t.regex(await terminal.until(/frames of Node's internals/), /GROWTH v/);
    terminal.keys('q');
    const after = await terminal.until(/the program goes on/);
    t.notRegex(after, /SITE/);
    t.is(logIn(folder), 'begun\n');
    writeFileSync(join(folder, 'stop'), '');
    t.regex(await terminal.until(/status 5\s+icanon/), /trace +t\.mprof/);
  },
);

ifTmux(
  'Ctrl-C reaches the program once, which ends while it is watched, in 40 columns',
  async (t) => {
    const folder = await programIn(t);
    const terminal = new Terminal(t, folder, 40);
    terminal.type(`${runLine.replace('--live', '--live -q')}; echo status $?`);
    await terminal.until(/grown/);
    // The view may be there before the program listens for the signal.
    await until(() => logIn(folder) === 'begun\n');
    terminal.keys('C-c');
    await terminal.until(/status 3/);
    t.is(logIn(folder), 'begun\ninterrupted\n');
  },
);

ifTmux(
  'memprof live watches from another terminal and tells of the end; nothing is left in the session',
  async (t) => {
    const folder = await programIn(t);
    let pid = 0;
    const running = run([process.execPath, runBin, '-q', '-o', '/dev/null', 'node', 'keep.cjs'], {
      cwd: folder,
      onOutput: (_, child) => {
        pid = childOf(child.pid as number);
      },
    });
    while (pid === 0) await sleep(50);
    const session = /MEMPROF_SESSION=([^\0]+)/.exec(
      readFileSync(`/proc/${pid}/environ`, 'latin1'),
    )?.[1];
    const terminal = new Terminal(t, folder, 90);
    terminal.type(`"${process.execPath}" "${memprofBin}" live ${pid}; echo status $?`);
    await terminal.until(/keepBuffers keep\.cjs:3/);
    t.deepEqual(
      readdirSync(session as string).filter((name) => name.startsWith('live.')),
      [],
    );
    terminal.keys('m');
    await terminal.until(/since the mark/);
    terminal.keys('q');
    await terminal.until(/status 0/);
    terminal.type(`clear; "${process.execPath}" "${memprofBin}" live ${pid}; echo status $?`);
    await terminal.until(/since the view began/);
    writeFileSync(join(folder, 'stop'), '');
    t.is((await running).code, 5);
    t.regex(await terminal.until(/status 0/), /is not recorded any more\. At the last look/);
    t.false(existsSync(session as string));
  },
);

const childOf = (pid: number): number =>
  Number(readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ')[0]);

test('without a terminal, and on a dumb one, both say what to do', async (t) => {
  const folder = await programIn(t);
  for (const [term, fact] of [
    ['dumb', /TERM is dumb/],
    ['xterm', /there is none here/],
  ] as const) {
    for (const [words, way] of [
      [[runBin, '--live', 'node', 'keep.cjs'], /Leave out --live/],
      [[memprofBin, 'live', '1'], /in a terminal of its own/],
    ] as const) {
      // setsid: no terminal, whatever the tests were started from.
      const outcome = await run(['setsid', '-w', process.execPath, ...words], {
        cwd: folder,
        env: { TERM: term },
      });
      t.is(outcome.code, 125);
      t.regex(outcome.stderr, fact);
      t.regex(outcome.stderr, way);
    }
  }
  t.deepEqual(readdirSync(folder), ['keep.cjs']);
});

test('what records a program holds nothing of views: they are loaded with the first', (t) => {
  const part = (name: string) => readFileSync(join(dirname(runBin), `${name}.cjs`), 'utf8');
  for (const name of ['start', 'reader'])
    t.notRegex(part(name), /node:net|node:tty|drawScreen|LiveSource\b.*class/, name);
  t.regex(part('live'), /node:net/);
});
