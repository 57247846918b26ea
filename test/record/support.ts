// Builds and runs the C++ program that shares wire.h with the reader.
import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { packageRoot } from '../../src/paths.js';
import type { RootStatus } from '../../src/record/index.js';

export interface WireDump {
  layout(): unknown;
  /** Runs a traced process that joins the session; resolves with its end. */
  write(session: string, args: number[], onStart?: (pid: number) => void): Promise<RootStatus>;
  remove(): void;
}

export function buildWireDump(): WireDump {
  const folder = mkdtempSync(join(tmpdir(), 'memprof-test-'));
  const program = join(folder, 'wire_dump');
  const source = join(packageRoot, 'interpose', 'ring', 'wire_dump.cc');
  execFileSync('g++', [
    '-std=c++20',
    '-O1',
    '-Wall',
    '-Wextra',
    '-Werror',
    '-pthread',
    '-o',
    program,
    source,
  ]);
  return {
    layout: () => JSON.parse(execFileSync(program, ['layout'], { encoding: 'utf8' })),
    write: (session, args, onStart) =>
      new Promise((resolve, reject) => {
        const child = spawn(program, ['write', session, ...args.map(String)], { stdio: 'inherit' });
        child.once('error', reject);
        child.once('exit', (code, signal) => resolve({ pid: child.pid ?? 0, code, signal }));
        if (child.pid !== undefined) onStart?.(child.pid);
      }),
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}
