// Makes docs/images: pictures of real reports, of the examples that leak. Needs Chromium and a build.
// node scripts/report-images.mjs [tiles|tutorial]
import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { buildWithNodeGyp } from '../dist/test/e2e/support/npm.js';
import { launch, openReport, settle } from '../dist/test/web/support.js';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const example = (name) => join(root, 'examples', name);
const images = join(root, 'docs', 'images');
const folder = mkdtempSync(join(tmpdir(), 'memprof-images-'));

/** Runs a script of `cwd` and gives the file of its report. */
function record(name, cwd, script) {
  const report = join(folder, `${name}.html`);
  execFileSync(
    process.execPath,
    [
      join(root, 'dist', 'bin', 'memprof-run.cjs'),
      ...['-q', '-o', join(folder, `${name}.mprof`), `--report=${report}`, 'node', script],
    ],
    { cwd, stdio: ['ignore', 'ignore', 'inherit'] },
  );
  return report;
}

const sets = {
  tiles: {
    make() {
      execFileSync(join(example('leaky-addon'), 'build.sh'));
      return record('tiles', example('leaky-addon'), 'index.js');
    },
    pictures: [
      { name: 'report-overview', hash: '#view=overview', theme: 'light' },
      { name: 'report-timeline', hash: '#view=timeline', theme: 'light' },
      { name: 'report-flame', hash: '#view=flame&package=-2', theme: 'light' },
      { name: 'report-memory', hash: '#view=memory', theme: 'light' },
      { name: 'report-site', hash: '#view=sites&package=-2', theme: 'dark', clicks: ['.tr'] },
    ],
  },
  tutorial: {
    async make() {
      const project = join(folder, 'gps-track');
      for (const name of ['package.json', 'binding.gyp', 'index.js', 'import.js', 'src'])
        cpSync(join(example('tutorial'), name), join(project, name), { recursive: true });
      symlinkSync(join(root, 'node_modules'), join(project, 'node_modules'));
      await buildWithNodeGyp(project);
      return record('tutorial', project, 'import.js');
    },
    pictures: [
      { name: 'tutorial-overview', hash: '#view=overview', theme: 'light', height: 420 },
      {
        name: 'tutorial-site',
        hash: '#view=sites&package=-2&measure=lost',
        theme: 'light',
        height: 820,
        clicks: ['.tr >> text=parse_track >> nth=-1', 'button:has-text("parse_track")'],
      },
    ],
  },
};

const asked = process.argv.slice(2);
mkdirSync(images, { recursive: true });
const browser = await launch();
try {
  for (const [set, { make, pictures }] of Object.entries(sets)) {
    if (asked.length > 0 && !asked.includes(set)) continue;
    const report = await make();
    for (const { name, hash, theme, height = 700, clicks = [] } of pictures) {
      const open = await openReport(browser, report, { width: 1120, height, theme }, { hash });
      for (const click of clicks) await open.page.locator(click).first().click();
      await open.page.mouse.move(2, 2);
      await settle(open.page);
      await open.page.screenshot({ path: join(images, `${name}.png`) });
      await open.close();
    }
  }
} finally {
  await browser.close();
  rmSync(folder, { recursive: true });
}
