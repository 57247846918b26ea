// The page with much in it, and with names that want to be more than text.
import { readFile } from 'node:fs/promises';
import { gzipSync } from 'node:zlib';
import test from 'ava';
import { reportTemplatePath } from '../../src/paths.js';
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
import { documentOf, syntheticData, syntheticNames } from './synthetic.js';

const made = await MadeReports.create();
const browser = chromiumPath === null ? null : await launch();
const inBrowser = browser === null ? test.skip : test.serial;
const template = await readFile(reportTemplatePath, 'utf8');

test.after.always(async () => {
  await browser?.close();
  await made.remove();
});

inBrowser(`10,000 sites are a table of a few dozen rows, to its end${skipReason}`, async (t) => {
  const packed = syntheticData({ siteCount: 10_000, nodeCount: 100_000 });
  const path = await made.write('large.html', documentOf(template, gzipSync(packed)));
  const open = await openReport(browser!, path, looks[0]!, { hash: '#view=sites' });
  const { page } = open;
  await settle(page);
  t.regex((await page.locator('.tools').textContent()) ?? '', /10,000 sites/);
  t.true((await page.locator('.tr').count()) < 60);
  t.is(await page.getByRole('grid').getAttribute('aria-rowcount'), '10001');
  await page.locator('.viewport').focus();
  await page.keyboard.press('End');
  await settle(page);
  t.is(await page.locator('.tr').last().getAttribute('aria-rowindex'), '10001');
  await page.getByRole('columnheader', { name: /Bytes/ }).getByRole('button').click();
  await settle(page);
  t.is(
    await page.getByRole('columnheader', { name: /Bytes/ }).getAttribute('aria-sort'),
    'ascending',
  );
  await showView(page, 'Flame graph');
  const drawn = Number(await page.locator('canvas').getAttribute('data-drawn'));
  t.true(drawn > 10 && drawn < 20_000, `${drawn} boxes of 100,000 are drawn`);
  assertNoComplaints(t, open);
  await open.close();
});

const hostile = [
  '</script><script>globalThis.hacked = 1</script>',
  '<img src=x onerror="globalThis.hacked = 2">',
  '{{constructor.constructor("globalThis.hacked = 4")()}}',
  'javascript:globalThis.hacked=5',
  `a${'long'.repeat(2500)}`,
  '<!--<style>*{display:none}</style>',
  'مرحبا שלום 你好 🙂 e\u0301\u0302\u0303\u0304\u0305',
];

for (const look of looks)
  inBrowser(
    `hostile names are text, ${look.width} pixels wide, ${look.theme}${skipReason}`,
    async (t) => {
      const packed = syntheticNames(hostile);
      const name = `hostile-${look.width}-${look.theme}.html`;
      const path = await made.write(name, documentOf(template, gzipSync(packed)));
      const open = await openReport(browser!, path, look);
      const { page } = open;
      for (const view of viewTitles) {
        await showView(page, view);
        t.deepEqual(await layoutFaults(page), [], view);
      }
      await showView(page, 'Sites');
      await page.locator('.tr').first().click();
      await settle(page);
      t.deepEqual(await layoutFaults(page), [], 'a site');
      const text = (await page.locator('body').textContent()) ?? '';
      t.true(text.includes('</script><script>'), 'it is shown as it is');
      t.is(await page.evaluate<string>('typeof globalThis.hacked'), 'undefined');
      t.is(await page.locator('main img, main script, main style').count(), 0);
      assertNoComplaints(t, open);
      await open.close();
    },
  );
