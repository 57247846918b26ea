// Bundles the two commands, and what the library reads traces with, into dist/bin: this is what the package
// ships and what tests and benchmarks run. As modules of their own, the 90 sources cost Node nearly a millisecond each while the user's
// program waits. CommonJS, because Node starts it sooner; in parts, because V8 reads through all of a
// file that it loads: what starts the program, what records it meanwhile, the report, other commands.
//
// And memprof/testing as CommonJS into dist/cjs: jest cannot require() an ES module.
import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { RolldownMagicString, rolldown } from 'rolldown';
import { licensesOf } from './licenses.mjs';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const source = (path) => join(root, 'src', path);
const outFolder = join(root, 'dist', 'bin');
const cjsFolder = join(root, 'dist', 'cjs');

/** A module belongs to the first part that needs it. The entries themselves run something: they stay apart. */
const entries = {
  'memprof-run': source('bin/memprof-run.ts'),
  memprof: source('bin/memprof.ts'),
  reading: source('reading/index.ts'),
  'live-pages': source('bin/live-pages.ts'),
};
const parts = [
  ['code-cache', ['bin/code-cache.ts']],
  [
    'start',
    [
      'bin/run-main.ts',
      'bin/memprof-main.ts',
      'commands/index.ts',
      'commands/run-words.ts',
      'commands/run.ts',
    ],
  ],
  ['words', ['commands/run-program.ts']],
  ['reader', ['record/process-recorder.ts']],
  ['report', ['commands/run-report.ts']],
  ['check-setup', ['commands/check-setup.ts']],
  ['html', ['commands/run-html.ts', 'commands/report-html.ts']],
  ['commands', ['commands/program.ts']],
  ['questions', ['reading/open-trace.ts']],
  ['answers', ['commands/answers.ts']],
  [
    'live',
    [
      'commands/run-live.ts',
      'commands/live-watchers.ts',
      'commands/live.ts',
      'commands/live-browser.ts',
    ],
  ],
  ['pages', ['commands/live-pages-thread.ts', 'commands/live-pages.ts']],
  ['check', ['commands/run-check.ts']],
  ['exports', ['commands/export.ts']],
  ['own-stack', ['bin/own-stack.ts']],
];

function partsOfModules(moduleInfo) {
  const partOf = new Map(Object.values(entries).map((id) => [id, null]));
  for (const [part, roots] of parts) {
    const left = roots.map(source);
    while (left.length > 0) {
      const id = left.pop();
      if (partOf.has(id)) continue;
      partOf.set(id, part);
      left.push(...(moduleInfo(id)?.importedIds ?? []));
    }
  }
  return partOf;
}

/** Of Node's own modules those that take it milliseconds to load, and that most runs never come to use. */
const loadedWhenUsed = ['child_process', 'crypto', 'fs/promises', 'stream', 'stream/promises'];

const lazily = {
  name: 'load-when-used',
  renderChunk(code) {
    const text = new RolldownMagicString(code);
    for (const module of loadedWhenUsed) {
      // Ours, and commander's own way.
      const loaded = new RegExp(`\\b(?:let|const) (\\w+) = require\\("node:${module}"\\);`, 'g');
      for (const { index, 0: declaration, 1: name } of code.matchAll(loaded)) {
        const later = `const ${name} = () => require("node:${module}");`;
        text.update(index, index + declaration.length, later);
        for (const use of code.matchAll(new RegExp(`\\b${name}(?=\\.)`, 'g')))
          text.appendLeft(use.index + name.length, '()');
      }
    }
    // The module's own require, without node:module.
    const madeRequire =
      /\(0,\s*(\w+)\.createRequire\)\(require\("url"\)\.pathToFileURL\(__filename\)\.href\)/g;
    for (const { index, 0: made, 1: name } of code.matchAll(madeRequire)) {
      text.update(index, index + made.length, 'require');
      const loaded = new RegExp(`\\b(?:let|const) ${name} = require\\("node:module"\\);`).exec(
        code,
      );
      // Only where that was its one use.
      if (loaded !== null && code.split(`${name}.`).length === 2)
        text.remove(loaded.index, loaded.index + loaded[0].length);
    }
    return text.hasChanged() ? { code: text } : null;
  },
};

async function bundled(input, inputOptions, outputOptions) {
  const bundle = await rolldown({
    input,
    platform: 'node',
    cwd: root,
    tsconfig: join(root, 'tsconfig.json'),
    ...inputOptions,
  });
  const { output } = await bundle.generate({
    format: 'cjs',
    entryFileNames: '[name].cjs',
    chunkFileNames: '[name].cjs',
    sourcemap: true,
    // Names stay: stack traces of ours are read by people.
    minify: { compress: false, mangle: false, codegen: { removeWhitespace: true } },
    ...outputOptions,
  });
  await bundle.close();
  return output;
}

const filesOf = (output) =>
  new Map(output.map((one) => [one.fileName, one.type === 'chunk' ? one.code : one.source]));

let partOf = null;
const output = await bundled(
  entries,
  { preserveEntrySignatures: 'allow-extension', plugins: [lazily] },
  {
    codeSplitting: {
      includeDependenciesRecursively: false,
      groups: [
        {
          debugName: 'parts',
          name(id, context) {
            partOf ??= partsOfModules((one) => context.getModuleInfo(one));
            return partOf.get(id) ?? null;
          },
        },
      ],
    },
  },
);
const chunks = output.filter((one) => one.type === 'chunk');
const expected = ['rolldown-runtime', ...Object.keys(entries), ...parts.map(([name]) => name)];
expected.sort();
const made = chunks.map((chunk) => chunk.name).sort();
if (made.join() !== expected.join())
  throw new Error(`the bundle has the parts ${made.join()} instead of ${expected.join()}`);
const files = filesOf(output);
const moduleIds = chunks.flatMap((chunk) => chunk.moduleIds);
// As long as what it replaces, so that the source map stays true.
const hash = createHash('sha256');
for (const name of [...files.keys()].sort())
  if (name.endsWith('.cjs')) hash.update(files.get(name));
const codeCache = files
  .get('code-cache.cjs')
  .replace('HASH_OF_THE_BUNDLE', hash.digest('hex').slice(0, 18));
files.set('code-cache.cjs', codeCache);
files.set('LICENSES.txt', licensesOf(moduleIds).join('\n\n'));

writeAll(outFolder, files);
writeAll(
  cjsFolder,
  filesOf(
    await bundled({ testing: source('testing/index.ts') }, {}, { exports: 'named', minify: false }),
  ),
);

// Unchanged files stay as they are: a memprof-run that is running has not loaded all of them yet.
function writeAll(folder, contents) {
  mkdirSync(folder, { recursive: true });
  for (const name of readdirSync(folder)) if (!contents.has(name)) rmSync(join(folder, name));
  for (const [name, text] of contents) {
    const path = join(folder, name);
    const isCommand = text.startsWith('#!');
    if (existsSync(path) && readFileSync(path, 'utf8') === text) {
      utimesSync(path, new Date(), new Date());
      continue;
    }
    writeFileSync(`${path}.part`, text, { mode: isCommand ? 0o755 : 0o644 });
    renameSync(`${path}.part`, path);
  }
}
