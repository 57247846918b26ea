// A configuration in TypeScript. Node strips types itself from 22.18 on; before that the user's own tools do,
// found from the configuration's folder: memprof brings none.
import { unlinkSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { basename, dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { MemprofError } from '../errors.js';

type Module = Record<string, unknown>;
type Transpile = (source: string) => string;

export async function importTypeScript(file: string, name: string): Promise<Module> {
  // Absent on Node before 22.10; a text, or false.
  if ((process.features as { typescript?: unknown }).typescript) return importFile(file);
  const transpile = findTranspiler(file);
  if (transpile === null) {
    throw new MemprofError(
      'ERR_MEMPROF_CONFIG',
      `${name}: Node ${process.version} does not read TypeScript, and neither esbuild nor typescript (5 or older) is installed in the project. Run memprof-run with Node 22.18 or newer, or rename the file to memprof.config.mjs`,
    );
  }
  const { readFileSync } = await import('node:fs');
  // Beside the original, so that its imports mean the same.
  const made = join(dirname(file), `.${basename(file, '.ts')}.${process.pid}.mjs`);
  try {
    writeFileSync(made, transpile(readFileSync(file, 'utf8')), { flag: 'wx' });
  } catch (error) {
    throw new MemprofError(
      'ERR_MEMPROF_CONFIG',
      `${name} cannot be translated: ${error instanceof Error ? error.message : String(error)}`,
    );
  }
  try {
    return await importFile(made);
  } finally {
    unlinkSync(made);
  }
}

const importFile = (path: string): Promise<Module> =>
  import(pathToFileURL(path).href) as Promise<Module>;

/** esbuild, the project's or that of tsx and vite, then TypeScript's own. */
function findTranspiler(file: string): Transpile | null {
  for (const through of [null, 'tsx', 'vite']) {
    const esbuild = load(file, 'esbuild', through) as {
      transformSync?(source: string, options: object): { code: string };
    } | null;
    const transform = esbuild?.transformSync;
    if (transform !== undefined)
      return (source) => transform(source, { loader: 'ts', format: 'esm' }).code;
  }
  const typescript = load(file, 'typescript', null) as {
    transpileModule?(source: string, options: object): { outputText: string };
    ModuleKind?: { ESNext: number };
    ScriptTarget?: { ES2022: number };
  } | null;
  // TypeScript 7 is a program without this function.
  const transpile = typescript?.transpileModule;
  if (typescript === null || transpile === undefined) return null;
  const compilerOptions = {
    module: typescript.ModuleKind?.ESNext,
    target: typescript.ScriptTarget?.ES2022,
  };
  return (source) => transpile(source, { compilerOptions }).outputText;
}

function load(from: string, name: string, through: string | null): unknown {
  try {
    const base = through === null ? from : createRequire(from).resolve(through);
    return createRequire(base)(name);
  } catch {
    // Not installed, or not for this Node: the next one may do.
    return null;
  }
}
