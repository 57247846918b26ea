// The report in a real browser: made of a real program's trace by the real command.
import { mkdir, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { buildAddonPackage, fixturesFolder } from '../e2e/support/build.js';
import { memprofBin, run, runTraced } from '../e2e/support/run.js';
import {
  assertNoComplaints,
  chromiumPath,
  launch,
  layoutFaults,
  looks,
  openReport,
  showView,
  skipReason,
} from './support.js';

const views = ['Overview', 'Timeline', 'Flame graph', 'Sites', 'Blocks & owners', 'Node-API'];
const withBrowser = chromiumPath === null ? test.skip : test.serial;
const addon = chromiumPath === null ? '' : await buildAddonPackage('leak-kinds');

const folder = await mkdtemp(join(tmpdir(), 'memprof-web-'));

/** By memprof report, of a program that memprof-run ran. */
async function reportOf(name: string, command: readonly string[]): Promise<string> {
  const own = join(folder, name);
  await mkdir(own);
  const traced = await runTraced(command, { cwd: own });
  if (traced.code !== 0) throw new Error(traced.stderr);
  const [trace] = (await readdir(own)).filter((one) => one.endsWith('.mprof'));
  const made = await run([process.execPath, memprofBin, 'report', trace, '-o', `${name}.html`], {
    cwd: own,
  });
  if (made.code !== 0) throw new Error(made.stderr);
  return join(own, `${name}.html`);
}

const app = join(fixturesFolder, 'apps', 'leak-kinds.cjs');
const leaky =
  chromiumPath === null
    ? ''
    : await reportOf('leaky', [process.execPath, '--expose-gc', app, addon]);

test.after.always(() => rm(folder, { recursive: true, force: true }));

withBrowser(
  `every view of a leaky addon's report, at both widths and in both themes${skipReason}`,
  async (t) => {
    const browser = await launch();
    try {
      for (const look of looks) {
        const open = await openReport(browser, leaky, look);
        for (const view of views) {
          await showView(open.page, view);
          t.deepEqual(await layoutFaults(open.page), [], `${view} at ${look.width}, ${look.theme}`);
        }
        assertNoComplaints(t, open);
        await open.close();
      }
    } finally {
      await browser.close();
    }
  },
);
