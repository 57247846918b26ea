// Where the configuration is, and its value. The search goes from a folder up to the nearest package.json.
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { MemprofError } from '../errors.js';
import { importTypeScript } from './typescript.js';
import { type CheckConfig, emptyConfig, readConfig } from './validate.js';

/** What the package under test is. */
export interface Project {
  /** Of the nearest package.json; where there is none, the folder that the search began in. */
  root: string;
  /** null: no package.json, or one without a name. */
  packageName: string | null;
  /** null: there is none. */
  packageFile: string | null;
  packageJson: Record<string, unknown>;
}

export interface FoundConfig {
  /** null: there is no configuration. */
  file: string | null;
  config: CheckConfig;
  /** Files of suppressions, absolute. */
  suppressions: string[];
}

const names = ['memprof.config.js', 'memprof.config.mjs', 'memprof.config.ts'];

function foldersUp(cwd: string): string[] {
  const folders = [resolve(cwd)];
  for (;;) {
    const folder = folders.at(-1) as string;
    const parent = dirname(folder);
    if (parent === folder || existsSync(join(folder, 'package.json'))) return folders;
    folders.push(parent);
  }
}

export function findProject(cwd: string): Project {
  const root = foldersUp(cwd).at(-1) as string;
  const packageFile = join(root, 'package.json');
  if (!existsSync(packageFile))
    return { root: resolve(cwd), packageName: null, packageFile: null, packageJson: {} };
  const packageJson = readPackageJson(packageFile);
  const { name } = packageJson;
  const packageName = typeof name === 'string' && name !== '' ? name : null;
  return { root, packageName, packageFile, packageJson };
}

function readPackageJson(path: string): Record<string, unknown> {
  let parsed: unknown;
  try {
    parsed = JSON.parse(readFileSync(path, 'utf8').replace(/^\ufeff/, ''));
  } catch (error) {
    throw new MemprofError(
      'ERR_MEMPROF_CONFIG',
      `${path} cannot be read: ${error instanceof Error ? error.message : String(error)}`,
    );
  }
  if (typeof parsed === 'object' && parsed !== null) return parsed as Record<string, unknown>;
  throw new MemprofError('ERR_MEMPROF_CONFIG', `${path} is no package.json: it has no object`);
}

export async function loadConfig(cwd: string, project: Project): Promise<FoundConfig> {
  const files = foldersUp(cwd)
    .flatMap((folder) => names.map((name) => join(folder, name)))
    .filter((path) => existsSync(path));
  const inPackage = project.packageJson['memprof'];
  const places = [
    ...files,
    ...(inPackage === undefined ? [] : [`${project.packageFile} ("memprof")`]),
  ];
  if (places.length > 1) {
    throw new MemprofError(
      'ERR_MEMPROF_CONFIG',
      `there are ${places.length} configurations: ${places.map((path) => shown(path, cwd)).join(' and ')}. Keep one`,
    );
  }
  const [file] = files;
  if (file !== undefined) {
    const name = shown(file, cwd);
    return found(file, readConfig(await importConfig(file, name), name));
  }
  if (inPackage === undefined) return { file: null, config: emptyConfig, suppressions: [] };
  const path = project.packageFile as string;
  return found(path, readConfig(inPackage, `${shown(path, cwd)} ("memprof")`));
}

const found = (file: string, config: CheckConfig): FoundConfig => ({
  file,
  config,
  suppressions: config.suppressions.map((one) => resolve(dirname(file), one)),
});

function shown(path: string, cwd: string): string {
  const fromHere = relative(cwd, path);
  return fromHere.startsWith('../../..') ? path : fromHere;
}

async function importConfig(file: string, name: string): Promise<unknown> {
  let module: Record<string, unknown>;
  try {
    module = file.endsWith('.ts')
      ? await importTypeScript(file, name)
      : ((await import(pathToFileURL(file).href)) as Record<string, unknown>);
  } catch (error) {
    if (error instanceof MemprofError) throw error;
    throw new MemprofError(
      'ERR_MEMPROF_CONFIG',
      `${name} cannot be loaded: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`,
    );
  }
  if (!('default' in module))
    throw new MemprofError(
      'ERR_MEMPROF_CONFIG',
      `${name} has no default export. Export the configuration: export default { check: ['lost'] }`,
    );
  return module['default'];
}
