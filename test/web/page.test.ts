// The report in a real browser: made of a real program's trace by the real command.
import { readFile, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import type { Browser, Page } from 'playwright-core';
import { reportTemplatePath } from '../../src/paths.js';
import { formatBytes } from '../../src/report/index.js';
import { buildAddonPackage, fixturesFolder } from '../e2e/support/build.js';
import { memprofBin, run } from '../e2e/support/run.js';
import { MadeReports } from './made.js';
import {
  assertNoComplaints,
  chromiumPath,
  launch,
  layoutFaults,
  looks,
  openReport,
  settle,
  showView,
  skipReason,
  viewTitles,
} from './support.js';

const desktop = looks[0]!;
const phone = looks[2]!;
const made = await MadeReports.create();
const app = join(fixturesFolder, 'apps', 'leak-kinds.cjs');
const [trace, leaky, browser] = chromiumPath === null ? ['', '', null] : await prepare();

async function prepare(): Promise<[string, string, Browser]> {
  const addon = await buildAddonPackage('leak-kinds');
  const command = [process.execPath, '--expose-gc', app, addon];
  const of = await made.trace('leaky', command);
  return [of, await made.report(of), await launch()];
}

test.after.always(async () => {
  await browser?.close();
  await made.remove();
});

const inBrowser = (
  title: string,
  body: (t: ExecutionContext, browser: Browser) => Promise<void>,
) =>
  browser === null
    ? test.skip(`${title}${skipReason}`, () => undefined)
    : test.serial(title, (t) => body(t, browser));

const sentence = async (page: Page): Promise<string> =>
  (await page.locator('.sentence').textContent()) ?? '';

for (const look of looks)
  inBrowser(
    `every view of a leaky addon's report, ${look.width} pixels wide, ${look.theme}`,
    async (t, browser) => {
      const open = await openReport(browser, leaky, look);
      for (const view of viewTitles) {
        await showView(open.page, view);
        t.deepEqual(await layoutFaults(open.page), [], view);
      }
      await showView(open.page, 'Sites');
      await open.page.locator('.tr').first().click();
      await open.page.getByRole('button', { name: /All \d+ frames/ }).click();
      await settle(open.page);
      t.deepEqual(await layoutFaults(open.page), [], 'a site with all of its frames');
      assertNoComplaints(t, open);
      await open.close();
    },
  );

inBrowser('the numbers are those of memprof summary and memprof unfreed', async (t, browser) => {
  const outcome = await run([process.execPath, memprofBin, 'summary', trace, '--json']);
  const summary = JSON.parse(outcome.stdout) as {
    totals: {
      beforeTeardown: { sizeBytes: number; blockCount: number };
      atEnd: { sizeBytes: number };
    };
    allocated: { sizeBytes: number };
    peak: { sizeBytes: number; blockCount: number };
  };
  const open = await openReport(browser, leaky, desktop);
  const { page } = open;
  const { totals, peak, allocated } = summary;
  t.true((await sentence(page)).startsWith(formatBytes(totals.beforeTeardown.sizeBytes)));
  await page.getByRole('radio', { name: 'Peak' }).check();
  t.true((await sentence(page)).startsWith(formatBytes(peak.sizeBytes)), await sentence(page));
  await showView(page, 'Timeline');
  await page.getByRole('button', { name: /the end$/ }).click();
  await page.getByRole('radio', { name: 'Total' }).check();
  t.true((await sentence(page)).startsWith(formatBytes(allocated.sizeBytes)), await sentence(page));
  await page.getByRole('radio', { name: 'Live' }).check();
  t.true(
    (await sentence(page)).startsWith(formatBytes(totals.atEnd.sizeBytes)),
    await sentence(page),
  );
  assertNoComplaints(t, open);
  await open.close();
});

inBrowser(
  'a finding leads to its site: stack, source line, what holds its blocks',
  async (t, browser) => {
    const open = await openReport(browser, leaky, desktop);
    const { page } = open;
    t.regex((await page.locator('h1').textContent()) ?? '', /sites leak memory/);
    const finding = page.locator('.finding.bad', { hasText: 'LeakMalloc' });
    await finding.getByRole('link').click();
    await settle(page);
    t.is(await page.getByRole('radio', { name: 'Lost' }).isChecked(), true);
    const details = page.getByRole('region', { name: 'Site' });
    t.regex(
      (await details.locator('.source .called').first().textContent()) ?? '',
      /filled|malloc/,
    );
    t.regex((await details.locator('.why').first().textContent()) ?? '', /lost/);
    await page.goBack();
    await settle(page);
    t.is((await page.locator('.finding').count()) > 0, true, 'back is the overview');
    assertNoComplaints(t, open);
    await open.close();
  },
);

inBrowser('a range that is drawn on the timeline is what every view shows', async (t, browser) => {
  const open = await openReport(browser, leaky, desktop, { hash: '#view=timeline' });
  const { page } = open;
  const whole = await sentence(page);
  const plot = (await page.locator('.u-over').first().boundingBox()) as {
    x: number;
    y: number;
    width: number;
    height: number;
  };
  const y = plot.y + plot.height / 2;
  await page.mouse.move(plot.x + plot.width * 0.3, y);
  await page.mouse.down();
  await page.mouse.move(plot.x + plot.width * 0.6, y, { steps: 4 });
  await page.mouse.up();
  await settle(page);
  const ranged = await sentence(page);
  t.regex(ranged, /allocated in this range and still live at its end/);
  t.not(ranged, whole);
  for (const view of ['Flame graph', 'Sites', 'Overview']) {
    await showView(page, view);
    t.is(await sentence(page), ranged);
  }
  // The address leads to what was seen.
  const again = await openReport(browser, leaky, desktop, { hash: new URL(page.url()).hash });
  t.is(await sentence(again.page), ranged);
  await again.close();
  await page.getByRole('button', { name: 'Reset' }).click();
  t.is(await sentence(page), whole);
  assertNoComplaints(t, open);
  await open.close();
});

inBrowser('package, filter and search', async (t, browser) => {
  const open = await openReport(browser, leaky, desktop, { hash: '#view=sites' });
  const { page } = open;
  await page.getByLabel('Package').selectOption({ label: 'leak-kinds 1.2.3' });
  await settle(page);
  t.true(
    (await page.locator('.td.package').allTextContents())
      .slice(1)
      .every((one) => one === 'leak-kinds 1.2.3'),
  );
  await page.getByPlaceholder(/Filter/).fill('LeakChain');
  await settle(page);
  t.true((await page.locator('.tr').count()) >= 1);
  await page.getByPlaceholder(/Filter/).fill('no such function');
  await settle(page);
  t.regex((await page.locator('.empty').first().textContent()) ?? '', /No site/);
  await showView(page, 'Flame graph');
  await page.getByPlaceholder(/Search/).fill('LeakMalloc');
  await settle(page);
  t.regex((await page.locator('.tools').textContent()) ?? '', /match/);
  assertNoComplaints(t, open);
  await open.close();
});

inBrowser(
  'the flame graph zooms by click, turns over, and keeps every byte',
  async (t, browser) => {
    const open = await openReport(browser, leaky, desktop, { hash: '#view=flame' });
    const { page } = open;
    const told = async () => (await page.locator('#flame-told').textContent()) ?? '';
    const all = await told();
    t.regex(all, /All of the selection/);
    const canvas = page.locator('canvas');
    await canvas.click({ position: { x: 60, y: 30 } });
    await settle(page);
    t.notRegex(await told(), /All of the selection/);
    await page.getByRole('button', { name: 'Zoom out' }).click();
    await page.getByRole('combobox', { name: 'Direction' }).selectOption('callers');
    await page.getByRole('combobox', { name: 'Shape' }).selectOption('flame');
    await page.getByRole('combobox', { name: 'Colour' }).selectOption('package');
    await page.mouse.move(5, 5);
    await settle(page);
    t.is(await told(), all);
    assertNoComplaints(t, open);
    await open.close();
  },
);

/** Presses Tab until the focused element passes; fails after many. */
async function tabTo(page: Page, script: string): Promise<boolean> {
  for (let press = 0; press < 60; press++) {
    await page.keyboard.press('Tab');
    if (await page.evaluate<boolean>(`((element) => ${script})(document.activeElement)`))
      return true;
  }
  return false;
}

inBrowser('everything can be reached and used by keyboard alone', async (t, browser) => {
  const open = await openReport(browser, leaky, desktop);
  const { page } = open;
  await page.keyboard.press('Tab');
  t.is(await page.evaluate<string>('document.activeElement.textContent'), 'Skip to the content');
  t.true(await tabTo(page, "element.textContent === 'Sites'"));
  await page.keyboard.press('Enter');
  await settle(page);
  t.true(await tabTo(page, "element.name === 'measure'"));
  await page.keyboard.press('ArrowRight');
  await settle(page);
  t.regex(await sentence(page), /peak/);
  t.true(
    await tabTo(
      page,
      "element.getAttribute('role') === 'slider' && element.classList.contains('from')",
    ),
  );
  await page.keyboard.press('Shift+ArrowRight');
  await page.keyboard.press('Shift+ArrowRight');
  await page.keyboard.press('Home');
  t.true(await tabTo(page, "element.classList.contains('to')"));
  await page.keyboard.press('ArrowLeft');
  await settle(page);
  t.true(await tabTo(page, "element.classList.contains('viewport')"));
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('Enter');
  await settle(page);
  t.is(await page.getByRole('region', { name: 'Site' }).count(), 1);
  t.is(await page.locator('.tr.chosen.active').count(), 1);
  await page.goto(`file://${leaky}#view=flame`);
  await settle(page);
  t.true(await tabTo(page, "element.tagName === 'CANVAS'"));
  const before = await page.locator('#flame-told').textContent();
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('Enter');
  await settle(page);
  t.not(await page.locator('#flame-told').textContent(), before);
  t.is(await page.getByRole('button', { name: 'Zoom out' }).count(), 1);
  await page.keyboard.press('Escape');
  await settle(page);
  t.is(await page.getByRole('button', { name: 'Zoom out' }).count(), 0);
  assertNoComplaints(t, open);
  await open.close();
});

inBrowser('light and dark follow the system until one is chosen', async (t, browser) => {
  const open = await openReport(browser, leaky, desktop);
  const { page } = open;
  const colour = () =>
    page.evaluate<string>('getComputedStyle(document.documentElement).backgroundColor');
  const light = await colour();
  await page.getByRole('button', { name: 'Use dark colours' }).click();
  const dark = await colour();
  t.not(dark, light);
  await page.getByRole('button', { name: 'Use light colours' }).click();
  t.is(await colour(), light);
  await open.close();
  const inDark = await openReport(browser, leaky, looks[1]!);
  t.is(
    await inDark.page.evaluate<string>(
      'getComputedStyle(document.documentElement).backgroundColor',
    ),
    dark,
  );
  await inDark.close();
});

inBrowser(
  'a browser without canvas says so, and the table of sites is there',
  async (t, browser) => {
    const before = 'HTMLCanvasElement.prototype.getContext = () => null;';
    const open = await openReport(browser, leaky, desktop, { hash: '#view=flame', before });
    t.regex((await open.page.getByRole('alert').textContent()) ?? '', /does not draw on canvas/);
    await showView(open.page, 'Timeline');
    t.regex((await open.page.getByRole('alert').textContent()) ?? '', /does not draw on canvas/);
    await showView(open.page, 'Sites');
    t.true((await open.page.locator('.tr').count()) > 0);
    assertNoComplaints(t, open);
    await open.close();
  },
);

inBrowser('what cannot be unpacked or read is told in words', async (t, browser) => {
  const before = 'delete globalThis.DecompressionStream;';
  const without = await openReport(browser, leaky, desktop, { before });
  t.regex((await without.page.getByRole('alert').textContent()) ?? '', /DecompressionStream/);
  await without.close();
  const html = await readFile(leaky, 'utf8');
  const cut = await made.write('cut.html', html.replace(/("memprof-data">.{5000})[^<]*/, '$1'));
  const damaged = await openReport(browser, cut, phone);
  t.regex((await damaged.page.getByRole('alert').textContent()) ?? '', /damaged/);
  await damaged.close();
  const empty = await openReport(browser, reportTemplatePath, desktop);
  t.regex((await empty.page.getByRole('alert').textContent()) ?? '', /no data/);
  await empty.close();
});

inBrowser(
  'no script and no style but its own runs in the page, and nothing is loaded',
  async (t, browser) => {
    const open = await openReport(browser, leaky, desktop);
    const failures: (string | undefined)[] = [];
    open.page.on('requestfailed', (one) => failures.push(one.failure()?.errorText));
    await open.page.evaluate<void>(`{
    const script = document.createElement('script');
    script.textContent = 'globalThis.foreign = 1';
    document.body.append(script);
    const image = new Image();
    image.src = 'https://example.invalid/x.png';
    document.body.append(image);
    fetch('https://example.invalid/').catch(() => undefined);
  }`);
    await settle(open.page);
    t.is(await open.page.evaluate<string>('typeof globalThis.foreign'), 'undefined');
    // Chromium tells of the image's request and that the policy stopped it; of the other it tells nothing.
    t.deepEqual(failures, ['csp']);
    t.true(
      open.complaints.every(
        (one) => one.includes('Content Security Policy') || one.endsWith('/x.png'),
      ),
    );
    await open.close();
  },
);

inBrowser('a trace without events and checkpoints shows less and says so', async (t, browser) => {
  const bare = await made.trace(
    'bare',
    [process.execPath, '-e', '0'],
    ['--events', 'none', '--checkpoint', 'none'],
  );
  const path = await made.report(bare);
  for (const look of [desktop, phone]) {
    const open = await openReport(browser, path, look);
    const { page } = open;
    t.regex((await page.locator('.missing').textContent()) ?? '', /no events.*No checkpoint/s);
    for (const name of ['Peak', 'Total', 'Temporary', 'Lost'])
      t.true(await page.getByRole('radio', { name }).isDisabled(), name);
    for (const view of viewTitles) {
      await showView(page, view);
      t.deepEqual(await layoutFaults(page), [], view);
    }
    t.regex((await page.locator('main').textContent()) ?? '', /No addon called Node-API/);
    await showView(page, 'Memory');
    t.regex((await page.locator('main').textContent()) ?? '', /No checkpoint was taken/);
    assertNoComplaints(t, open);
    await open.close();
  }
});

inBrowser('a trace that was cut makes a report that says so', async (t, browser) => {
  const whole = await made.trace('cut-trace', [
    process.execPath,
    '-e',
    'setTimeout(() => 0, 1500)',
  ]);
  await truncate(whole, Math.floor((await readFile(whole)).length * 0.45));
  const open = await openReport(browser, await made.report(whole), desktop);
  t.regex((await open.page.locator('.missing').textContent()) ?? '', /ends before its last part/);
  assertNoComplaints(t, open);
  await open.close();
});

inBrowser(
  'compared with an earlier trace, what it has more is first, and the rest is the same',
  async (t, browser) => {
    const addon = await buildAddonPackage('leak-kinds');
    const kept = await made.trace('kept', [process.execPath, '--expose-gc', app, addon, 'kept']);
    const path = await made.report(kept, ['--diff', trace]);
    for (const look of [desktop, phone]) {
      const open = await openReport(browser, path, look, { hash: '#view=sites&package=-2' });
      const { page } = open;
      t.regex(await sentence(page), /\+[\d.]+ [KM]iB compared with/);
      const first = (await page.locator('.tr').first().textContent()) ?? '';
      t.regex(first, /\+[\d.]+ KiB.*[Cc]lean/s, first);
      t.deepEqual(await layoutFaults(page), []);
      await page.getByPlaceholder(/Filter/).fill('settle');
      await settle(page);
      t.true((await page.locator('.td.change').allTextContents()).slice(1).includes('same'));
      await page.getByPlaceholder(/Filter/).fill('');
      await showView(page, 'Flame graph');
      t.regex((await page.locator('#flame-told').textContent()) ?? '', /before/);
      t.regex((await page.locator('.legend').textContent()) ?? '', /twice or more, or new/);
      t.deepEqual(await layoutFaults(page), []);
      await page.getByRole('radio', { name: 'Total' }).check();
      await settle(page);
      t.regex(await sentence(page), /compared with the earlier trace is Live/);
      assertNoComplaints(t, open);
      await open.close();
    }
  },
);
