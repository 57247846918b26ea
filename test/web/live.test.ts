// The page that is fed while a program runs, in a real browser.
import test, { type ExecutionContext } from 'ava';
import type { Browser, Page } from 'playwright-core';
import { Served, shelfAddon } from '../live/pages-support.js';
import {
  chromiumPath,
  type Look,
  launch,
  layoutFaults,
  looks,
  settle,
  showView,
  skipReason,
  viewTitles,
} from './support.js';

const desktop = looks[0]!;
const phone = looks[3]!;
const patience = { timeout: 120_000 };
if (chromiumPath !== null) await shelfAddon;
const browser = chromiumPath === null ? null : await launch();
test.after.always(() => browser?.close());

const inBrowser = (
  title: string,
  body: (t: ExecutionContext, browser: Browser) => Promise<void>,
) =>
  browser === null
    ? test.skip(`${title}${skipReason}`, () => undefined)
    : test.serial(title, (t) => body(t, browser));

interface Watching {
  page: Page;
  /** What should not be: errors, warnings, requests to others. */
  complaints: string[];
}

async function watch(browser: Browser, url: string, look: Look): Promise<Watching> {
  const { width, height, theme } = look;
  const context = await browser.newContext({
    viewport: { width, height },
    colorScheme: theme,
    reducedMotion: 'reduce',
  });
  const page = await context.newPage();
  const complaints: string[] = [];
  page.on('request', (request) => {
    if (new URL(request.url()).origin !== new URL(url).origin)
      complaints.push(`request of ${request.url()}`);
  });
  page.on('console', (message) => {
    // Of the request that nobody answers any more.
    const isRefused = /ERR_CONNECTION_(?:REFUSED|RESET)|ERR_EMPTY_RESPONSE/.test(message.text());
    if (message.type() === 'error' && !isRefused) complaints.push(`console: ${message.text()}`);
  });
  page.on('pageerror', (error) => complaints.push(`error: ${error.message}`));
  await page.goto(url);
  await page.waitForSelector('.live-bar', patience);
  return { page, complaints };
}

const state = (page: Page) => page.locator('.live-state');
const waitForState = (page: Page, name: string) =>
  page.locator('.live-state', { hasText: name }).waitFor(patience);

/** Bytes in the row of the site whose functions have this name; null: it is not there. */
async function bytesOfSite(page: Page, name: string): Promise<string | null> {
  const row = page.locator('.tr', { hasText: name }).first();
  return (await row.count()) === 0 ? null : row.locator('.bytes').first().textContent();
}

async function until<T>(page: Page, look: () => Promise<T | null>): Promise<T> {
  for (const endMs = performance.now() + patience.timeout; performance.now() < endMs; ) {
    const found = await look();
    if (found !== null) return found;
    await page.waitForTimeout(100);
  }
  throw new Error('it did not come');
}

inBrowser(
  'a site appears and grows while an addon allocates; at the end its leak is found',
  async (t, browser) => {
    const served = await Served.run(t, ['-q']);
    const { page, complaints } = await watch(browser, served.url, desktop);
    await showView(page, 'Sites');
    const first = await until(page, () => bytesOfSite(page, 'shelf::make_block'));
    await page.locator('.tr', { hasText: 'shelf::make_block' }).first().click();
    const details = page.getByRole('region', { name: 'Site' });
    await details.waitFor(patience);
    await until(page, async () =>
      (await bytesOfSite(page, 'shelf::make_block')) === first ? null : true,
    );
    t.true(await details.isVisible(), 'what was chosen stays chosen');
    t.regex((await details.textContent()) ?? '', /shelf::make_block/);
    t.is(await state(page).textContent(), 'Live');
    served.stop();
    await waitForState(page, 'Ended');
    t.is((await served.ended).code, 5);
    t.true(await details.isVisible());
    await showView(page, 'Overview');
    const title = await page.locator('.finding.bad .title').first().textContent(patience);
    t.regex(title ?? '', /lost, allocated by shelf::make_block/);
    t.regex((await page.locator('.live-note').textContent()) ?? '', /memprof report \S+\.mprof/);
    t.deepEqual(complaints, []);
    await page.context().close();
  },
);

inBrowser(
  'p holds the page and goes on, m counts growth from that moment, in a field they are letters',
  async (t, browser) => {
    const served = await Served.run(t, ['-q']);
    const { page, complaints } = await watch(browser, served.url, desktop);
    const liveText = () => page.locator('.live-bar dd').first().textContent();
    await page.keyboard.press('p');
    await waitForState(page, 'Paused');
    const held = await liveText();
    await page.waitForTimeout(3000);
    t.is(await liveText(), held);
    await page.keyboard.press('p');
    await waitForState(page, 'Live');
    await until(page, async () => ((await liveText()) === held ? null : true));
    await page.keyboard.press('m');
    await page.locator('.live-bar dt', { hasText: /^since / }).waitFor(patience);
    await until(page, async () =>
      /\+\S+ \S+ compared with the mark, at /.test(
        (await page.locator('.sentence').textContent()) ?? '',
      )
        ? true
        : null,
    );
    await showView(page, 'Sites');
    await until(page, async () => {
      const row = page.locator('.tr', { hasText: 'shelf::make_block' }).first();
      return /\+\d/.test((await row.textContent()) ?? '') ? true : null;
    });
    await page.getByRole('searchbox').fill('');
    await page.getByRole('searchbox').pressSequentially('mp');
    t.is(await page.getByRole('searchbox').inputValue(), 'mp');
    t.is(await state(page).textContent(), 'Live');
    await page.getByRole('button', { name: 'Unmark' }).click();
    t.is(await page.locator('.live-bar dt', { hasText: /^since / }).count(), 0);
    t.deepEqual(complaints, []);
    await page.context().close();
    served.stop();
    t.is((await served.ended).code, 5);
  },
);

inBrowser(
  'every view of a running program fits 390 and 1280 pixels; who is cut off keeps what he has',
  async (t, browser) => {
    const served = await Served.run(t, ['-q']);
    for (const look of [phone, desktop]) {
      const { page, complaints } = await watch(browser, served.url, look);
      await page.keyboard.press('m');
      for (const view of viewTitles) {
        await showView(page, view);
        // Nothing changes under the measuring tape.
        await page.keyboard.press('p');
        await waitForState(page, 'Paused');
        await settle(page);
        t.deepEqual(await layoutFaults(page), [], `${look.width} ${view}`);
        await page.keyboard.press('p');
        await waitForState(page, 'Live');
      }
      t.deepEqual(complaints, []);
      if (look === phone) {
        await page.context().close();
        continue;
      }
      // memprof-run is gone from one moment to the next.
      served.child.kill('SIGKILL');
      await waitForState(page, 'Cut off');
      t.regex((await page.locator('.live-note').textContent()) ?? '', /Nobody answers any more/);
      await settle(page);
      t.deepEqual(await layoutFaults(page), [], 'cut off');
      await page.context().close();
    }
  },
);
