// A TypeScript project for the tsc workload: the same files on every machine and in every version of
// this project.
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

function moduleSource(n: number): string {
  const imported = n === 0 ? [] : [n - 1, n >> 1].filter((m, at, all) => all.indexOf(m) === at);
  const lines = imported.map((m) => `import { Store${m}, type Row${m} } from './module${m}.js';`);
  const fields = Array.from(
    { length: 8 },
    (_, f) => `  field${f}: ${f % 2 ? 'string' : 'number'};`,
  );
  lines.push(`export interface Row${n} {`, `  kind: 'row${n}';`, ...fields, '}');
  const others = imported.map((m) => ` | Row${m}`).join('');
  lines.push(`export type Any${n} = Row${n}${others};`);
  lines.push(
    `type Getters${n} = { [K in keyof Row${n} as \`get\${Capitalize<K>}\`]: () => Row${n}[K] };`,
    `export class Store${n}<T extends Any${n} = Row${n}> {`,
    '  readonly #rows = new Map<string, T>();',
    '  add(key: string, row: T): this { this.#rows.set(key, row); return this; }',
    '  find<S extends T>(is: (row: T) => row is S): S[] { return [...this.#rows.values()].filter(is); }',
    '  map<U>(change: (row: T, key: string) => U): U[] {',
    '    return [...this.#rows].map(([key, row]) => change(row, key));',
    '  }',
    '  async *[Symbol.asyncIterator](): AsyncGenerator<[string, T]> { yield* this.#rows; }',
    '}',
    `export function getters${n}(row: Row${n}): Getters${n} {`,
    `  const all = Object.entries(row).map(([key, value]) => ['get' + key, () => value] as const);`,
    `  return Object.fromEntries(all) as unknown as Getters${n};`,
    '}',
    `export function describe${n}(row: Any${n}): string {`,
    '  switch (row.kind) {',
    ...[n, ...imported].map(
      (m) => `    case 'row${m}': return row.field1 + row.field0.toFixed(${m % 9});`,
    ),
    '  }',
    '}',
    ...imported.map((m) => `export const store${m} = new Store${m}<Row${m}>();`),
  );
  return `${lines.join('\n')}\n`;
}

/** Writes the project and returns the arguments with which tsc compiles it. */
export async function writeTree(folder: string, moduleCount: number): Promise<string[]> {
  await mkdir(join(folder, 'src'), { recursive: true });
  for (let n = 0; n < moduleCount; n++) {
    await writeFile(join(folder, 'src', `module${n}.ts`), moduleSource(n));
  }
  const compilerOptions = {
    target: 'es2022',
    module: 'nodenext',
    strict: true,
    declaration: true,
    sourceMap: true,
    outDir: 'out',
    rootDir: 'src',
    types: [],
  };
  const config = { compilerOptions, include: ['src'] };
  await writeFile(join(folder, 'tsconfig.json'), JSON.stringify(config));
  return ['-p', folder];
}
