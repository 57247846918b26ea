// Where the package's own files are. Must not import from the project.
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

// Not by an import: this runs in tests, too, and jest.mock('fs') would take its place.
const { existsSync } = process.getBuiltinModule('node:fs');

function findRoot(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, 'package.json'))) {
    const parent = dirname(folder);
    if (parent === folder) throw new Error('memprof: its own package.json is missing');
    folder = parent;
  }
  return folder;
}

export const packageRoot: string = findRoot();
/** Where memprof.h lies. */
export const includePath: string = join(packageRoot, 'include');
export const shimPath: string = join(packageRoot, 'build', 'Release', 'libmemprof.so');
/** The agent's entry, plain CommonJS: it runs in the traced process by --require. */
export const agentPath: string = join(packageRoot, 'src', 'agent', 'agent.cjs');
export const agentAddonPath: string = join(packageRoot, 'build', 'Release', 'memprof_agent.node');
/** Does again what a program did with its allocator. */
export const replayPath: string = join(packageRoot, 'build', 'Release', 'memprof_replay');
/** Of the bundle (scripts/bundle.mjs), which is what the package ships. */
export const memprofBinPath: string = join(packageRoot, 'dist', 'bin', 'memprof.cjs');
export const memprofRunBinPath: string = join(packageRoot, 'dist', 'bin', 'memprof-run.cjs');
/** The command memprof-run itself: it starts the program if it can, then runs memprofRunBinPath with Node. */
export const memprofRunPath: string = join(packageRoot, 'build', 'Release', 'memprof-run');
/** The thread that serves live pages. */
export const livePagesPath: string = join(packageRoot, 'dist', 'bin', 'live-pages.cjs');
/** What openTrace() of the library loads: of the same bundle, so that it is there once. */
export const readingBundlePath: string = join(packageRoot, 'dist', 'bin', 'reading.cjs');
/** The page of the HTML report, without data (scripts/build-web.mjs). */
export const reportTemplatePath: string = join(packageRoot, 'dist', 'web', 'report.html');
