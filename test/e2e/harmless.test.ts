import { copyFile, mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { buildLibrary, buildProgram } from './support/build.js';
import { type Outcome, run, runTraced, scratchFolder } from './support/run.js';

// -rpath: one of the ways looks its library up by the program's own runpath.
const program = () =>
  buildProgram('harmless.c', ['-Wl,-rpath,$ORIGIN/libraries', '-Wno-clobbered', '-ldl']);

/** The same way without and with memprof-run; each in a folder of its own. */
async function both(t: ExecutionContext, way: string, input?: string): Promise<[Outcome, Outcome]> {
  const built = await program();
  const plugin = await buildLibrary('plugin.c', 'libplugin.so');
  const libraries = join(dirname(built), 'libraries');
  await mkdir(libraries, { recursive: true });
  await copyFile(plugin, join(libraries, 'libplugin.so'));
  const folders = [await scratchFolder(t), await scratchFolder(t)] as const;
  for (const folder of folders) await copyFile(plugin, join(folder, 'libplugin.so'));

  const options = input === undefined ? {} : { input };
  const plain = await run([built, way, folders[0]], options);
  const output = await scratchFolder(t);
  const traced = await runTraced([built, way, folders[1]], {
    ...options,
    memprofOptions: ['-q', '-o', join(output, '%p.mprof')],
  });
  return [plain, traced];
}

/** A shell says 128 + n for a signal and memprof-run dies of the same signal; both are the signal here. */
const ending = ({ code, signal }: Outcome): string => signal ?? `status ${code}`;

const ways: Record<string, string> = {
  fork: 'fork and its children',
  'fork-with-threads': 'fork while other threads allocate',
  vfork: 'vfork, with and without exec',
  exec: 'exec of another image',
  'failing-exec': 'an exec that fails',
  'posix-spawn': 'posix_spawn, system and popen',
  'threads-at-exit': 'main returning while threads allocate',
  'exit-in-thread': 'exit called in a thread',
  'main-ends-first': 'a thread that outlives main',
  'many-threads': '4,096 threads in a row',
  'many-threads-at-once': '400 threads at once',
  'small-stacks': 'threads with the smallest stacks',
  signals: 'signal handlers that allocate at 1 kHz',
  dlopen: 'dlopen and dlclose in a loop',
  errno: 'errno after every entry point',
  fds: 'closing every descriptor',
  'no-stdio': 'closing stdin, stdout and stderr',
  'working-folder-gone': 'a working folder that was removed',
  chroot: 'a root folder of its own',
  'drop-rights': 'giving up its rights',
  limits: 'limits on descriptors, file size and locked memory',
  'address-space': 'a limit on the address space',
  daemon: 'becoming a daemon',
  sizes: 'usable sizes and mallinfo',
  exit: 'exit',
  _exit: '_exit',
  _Exit: '_Exit',
  quick_exit: 'quick_exit',
  'raw-exit': 'exit_group without libc',
  abort: 'abort',
  segfault: 'a segmentation fault',
  'kill-itself': 'a signal to itself',
  'handled-segfault': 'a fault handler of its own',
  'signal-state': 'signal masks, handlers and threads at start',
  'clear-environment': 'an environment that is cleared',
  'deep-stack': 'a stack of 3,000 frames',
};

for (const [way, sentence] of Object.entries(ways)) {
  test(`a program behaves the same with and without memprof-run: ${sentence}`, async (t) => {
    const [plain, traced] = await both(t, way);
    t.is(traced.stdout, plain.stdout);
    t.is(traced.stderr, plain.stderr);
    t.is(ending(traced), ending(plain));
  });
}

test('what is piped into a traced program arrives whole', async (t) => {
  const input = 'a line of input\n'.repeat(100_000);
  const [plain, traced] = await both(t, 'stdin', input);
  t.is(plain.stdout.length, input.length);
  t.true(traced.stdout === input);
  t.is(traced.stderr, plain.stderr);
});
