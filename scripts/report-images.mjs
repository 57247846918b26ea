// Makes docs/images: pictures of a real report, of the example addon that leaks. Needs Chromium and a build.
// node scripts/report-images.mjs
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { launch, openReport, settle } from '../dist/test/web/support.js';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const example = join(root, 'examples', 'leaky-addon');
const images = join(root, 'docs', 'images');
const folder = mkdtempSync(join(tmpdir(), 'memprof-images-'));
const report = join(folder, 'tiles.html');

execFileSync(join(example, 'build.sh'));
execFileSync(
  process.execPath,
  [
    join(root, 'dist', 'bin', 'memprof-run.cjs'),
    ...['-q', '-o', join(folder, 'tiles.mprof'), `--report=${report}`, 'node', 'index.js'],
  ],
  { cwd: example, stdio: ['ignore', 'ignore', 'inherit'] },
);

const pictures = [
  { name: 'report-overview', hash: '#view=overview', theme: 'light' },
  { name: 'report-timeline', hash: '#view=timeline', theme: 'light' },
  { name: 'report-flame', hash: '#view=flame&package=-2', theme: 'light', click: null },
  { name: 'report-site', hash: '#view=sites&package=-2', theme: 'dark', click: '.tr' },
];

mkdirSync(images, { recursive: true });
const browser = await launch();
try {
  for (const { name, hash, theme, click } of pictures) {
    const open = await openReport(browser, report, { width: 1120, height: 700, theme }, { hash });
    if (click != null) await open.page.locator(click).first().click();
    await open.page.mouse.move(2, 2);
    await settle(open.page);
    await open.page.screenshot({ path: join(images, `${name}.png`) });
    await open.close();
  }
} finally {
  await browser.close();
  rmSync(folder, { recursive: true });
}
