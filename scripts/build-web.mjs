// Builds the page of the HTML report into one file, dist/web/report.html: scripts and styles stand in it, and a
// policy that allows these and nothing else, by their hashes. `memprof report` puts the data in.
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'vite';
import { licensesOf } from './licenses.mjs';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const webFolder = join(root, 'src', 'web');
const outFolder = join(root, 'dist', 'web');

const bundledIds = new Set();
const result = await build({
  root: webFolder,
  configFile: false,
  logLevel: 'warn',
  oxc: { jsx: { runtime: 'automatic', importSource: 'preact' } },
  plugins: [
    {
      name: 'bundled-packages',
      generateBundle(_options, bundle) {
        for (const chunk of Object.values(bundle))
          for (const id of chunk.type === 'chunk' ? chunk.moduleIds : []) bundledIds.add(id);
      },
    },
  ],
  build: {
    write: false,
    target: 'es2022',
    cssCodeSplit: false,
    assetsInlineLimit: 0,
    modulePreload: false,
    reportCompressedSize: false,
    rolldownOptions: { output: { codeSplitting: false } },
  },
});

const files = (Array.isArray(result) ? result : [result]).flatMap((one) => one.output);
const page = files.find((one) => one.fileName === 'index.html');
const scripts = files.filter((one) => one.type === 'chunk');
const styles = files.filter((one) => one.fileName.endsWith('.css'));
const others = files.filter(
  (one) => one !== page && !scripts.includes(one) && !styles.includes(one),
);
if (page === undefined || scripts.length !== 1 || styles.length !== 1 || others.length > 0)
  throw new Error(`the page came in other parts: ${files.map((one) => one.fileName).join(', ')}`);

const script = scripts[0].code.trim();
const style = String(styles[0].source).trim();
// Inside <script> and <style> nothing is escaped: these would end them.
if (/<\/script|<!--/i.test(script) || /<\/style/i.test(style))
  throw new Error('the script or the style of the page would end its own element');

const hashOf = (text) => `'sha256-${createHash('sha256').update(text).digest('base64')}'`;
const policy = [
  "default-src 'none'",
  `script-src ${hashOf(script)}`,
  `style-src ${hashOf(style)}`,
  "base-uri 'none'",
  "form-action 'none'",
].join('; ');

const licenses = licensesOf([...bundledIds])
  .join('\n\n')
  .replaceAll('--', '- -');
let html = String(page.source);
const replaceOnce = (pattern, text) => {
  if ((html.match(new RegExp(pattern, 'g')) ?? []).length !== 1)
    throw new Error(`the page does not have ${pattern} once`);
  html = html.replace(pattern, () => text);
};
replaceOnce(/\s*<script type="module"[^>]*><\/script>/, '');
replaceOnce(/\s*<link rel="stylesheet"[^>]*>/, `\n    <style>${style}</style>`);
replaceOnce(
  /<meta charset="utf-8" \/>/,
  `<meta charset="utf-8" />\n    <meta http-equiv="Content-Security-Policy" content="${policy}" />`,
);
replaceOnce(/\s*<\/body>/, `\n    <script type="module">${script}</script>\n  </body>`);
replaceOnce(/<!-- memprof report -->/, `<!-- memprof report\n${licenses}-->`);

mkdirSync(outFolder, { recursive: true });
const path = join(outFolder, 'report.html');
if (!existsSync(path) || readFileSync(path, 'utf8') !== html) {
  writeFileSync(`${path}.part`, html);
  renameSync(`${path}.part`, path);
}
