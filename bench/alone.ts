// The parts measured alone: the unwinder (C++), and the benchmarks of reader, symbols and stacks, which
// are programs of their own beside this one.
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { packageRoot } from '../src/paths.js';
import { parseWalks, type WalkFigure } from './support/parse.js';

const execute = promisify(execFile);

export type Outcome<T> = { figures: T; skipped: null } | { figures: null; skipped: string };

const lastLine = (error: unknown): string => {
  const { stderr, message } = error as { stderr?: string; message: string };
  return (stderr?.trim() || message).split('\n').at(-1) ?? '';
};

async function build(target: string): Promise<string> {
  const folder = join(packageRoot, 'build-tests');
  const options = ['-DMEMPROF_TESTS=ON', '-DCMAKE_BUILD_TYPE=RelWithDebInfo'];
  await execute('cmake', ['-S', packageRoot, '-B', folder, ...options]);
  await execute('cmake', ['--build', folder, '--parallel', '2', '--target', target]);
  return join(folder, target);
}

export async function unwinderAlone(): Promise<Outcome<WalkFigure[]>> {
  try {
    const { stdout } = await execute(await build('memprof_walk_bench'), []);
    return { figures: parseWalks(stdout), skipped: null };
  } catch (error) {
    return { figures: null, skipped: `memprof_walk_bench: ${lastLine(error)}` };
  }
}

/** bench/NAME.ts, which prints JSON. */
export async function programAlone(
  name: 'reader' | 'symbols' | 'stacks' | 'checkpoint',
): Promise<Outcome<unknown>> {
  const path = join(packageRoot, 'dist', 'bench', `${name}.js`);
  if (!existsSync(path)) return { figures: null, skipped: `there is no bench/${name}.ts` };
  try {
    const options = { maxBuffer: 64 << 20, timeout: 5 * 60_000, killSignal: 'SIGKILL' } as const;
    // The others always print JSON, and bench/stacks.ts takes arguments for names of programs.
    const argv = name === 'symbols' ? [path, '--json'] : [path];
    const { stdout } = await execute(process.execPath, argv, options);
    return { figures: JSON.parse(stdout) as unknown, skipped: null };
  } catch (error) {
    return { figures: null, skipped: `bench/${name}.ts: ${lastLine(error)}` };
  }
}
