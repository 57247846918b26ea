// Links between the pages lead somewhere, and docs/README.md leads to every page.
import { existsSync, readdirSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import test from 'ava';
import { packageRoot } from '../../src/paths.js';
import { readPage } from './markdown.js';

const docs = readdirSync(join(packageRoot, 'docs')).filter((name) => name.endsWith('.md'));
const pages = ['README.md', 'ARCHITECTURE.md', ...docs.map((name) => `docs/${name}`)];

const withoutCode = (page: string) =>
  page.replace(/^```[\s\S]*?^```$/gm, '').replace(/`[^`\n]*`/g, '`');

/** As GitHub names headings. */
const anchorsOf = (page: string) =>
  new Set(
    [...page.replace(/^```[\s\S]*?^```$/gm, '').matchAll(/^#+ (.*)$/gm)].map(([, heading]) =>
      (heading as string)
        .toLowerCase()
        .replace(/[^\p{L}\p{N} _-]/gu, '')
        .replaceAll(' ', '-'),
    ),
  );

function linksOf(path: string): string[] {
  return [...withoutCode(readPage(path)).matchAll(/\]\(([^)\s]+)\)/g)]
    .map(([, target]) => target as string)
    .filter((target) => !/^[a-z]+:/.test(target));
}

test('every link between pages leads to a file, and to a heading of it', (t) => {
  const broken: string[] = [];
  for (const path of pages) {
    for (const link of linksOf(path)) {
      const [file, anchor] = link.split('#') as [string, string?];
      const target = file === '' ? path : normalize(join(dirname(path), file));
      if (!existsSync(join(packageRoot, target))) broken.push(`${path}: ${link}`);
      else if (anchor !== undefined && !anchorsOf(readPage(target)).has(anchor))
        broken.push(`${path}: ${link}: no such heading`);
    }
  }
  t.deepEqual(broken, []);
});

test('docs/README.md lists every page, and README.md leads to it', (t) => {
  const listed = new Set(linksOf('docs/README.md').map((link) => link.split('#')[0]));
  t.deepEqual(
    docs.filter((name) => name !== 'README.md' && !listed.has(name)),
    [],
  );
  t.true(linksOf('README.md').includes('docs/README.md'));
});
