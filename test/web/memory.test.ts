// Resident memory in the report: its numbers are those of memprof rss and memprof fragmentation, and what a reader
// sees of them in a browser.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import test, { type ExecutionContext } from 'ava';
import type { Page } from 'playwright-core';
import { type ReportHead, unpack } from '../../src/html/index.js';
import { formatBytes, formatCount } from '../../src/report/index.js';
import { buildProgram } from '../e2e/support/build.js';
import { memprofJson } from '../e2e/support/run.js';
import { MadeReports } from './made.js';
import {
  assertNoComplaints,
  chromiumPath,
  launch,
  layoutFaults,
  looks,
  openReport,
  settle,
  skipReason,
} from './support.js';

interface Rss {
  residentBytes: number;
  parts: {
    kind: string;
    residentBytes: number;
    sizeBytes: number | null;
    count: number;
    rows: { name: string; residentBytes: number }[];
  }[];
}
interface Fragmented {
  findings: { verdict: string }[];
  arenas: { residentBytes: number; trimmableBytes: number; liveBlockCount: number }[];
  pages: { pageCount: number; liveBytes: number }[] | null;
  sizes: unknown[] | null;
  maps: { low: number; occupancy: number[] }[];
  pinning: { blockCount: number; pageCount: number; keptBytes: number; ageNs: number }[];
}

const made = await MadeReports.create();
const program = await buildProgram('heaps.c', ['-lpthread']);
const traceOf = (kind: string) => made.trace(kind, [program, kind]);
const sparse = await traceOf('one-a-page');
const sparseReport = await made.report(sparse);
// Takes checkpoints of itself while it grows.
const library = join(import.meta.dirname, '../../src/library/index.js');
const growing = await made.trace('growing', [
  process.execPath,
  '--input-type=module',
  '-e',
  `import { checkpoint } from ${JSON.stringify(library)};
   globalThis.kept = [];
   for (let turn = 0; turn < 3; turn++) {
     for (let i = 0; i < 100; i++) kept.push(Buffer.alloc(60_000, 1));
     await checkpoint();
   }`,
]);
const growingReport = await made.report(growing);
const browser = chromiumPath === null ? null : await launch();
const inBrowser = browser === null ? test.skip : test.serial;

test.after.always(async () => {
  await browser?.close();
  await made.remove();
});

async function dataOf(report: string) {
  const html = await readFile(report, 'utf8');
  const base64 = /id="memprof-data">([^<]*)</.exec(html)?.[1] ?? '';
  return unpack<ReportHead>(gunzipSync(Buffer.from(base64, 'base64')));
}

async function assertSame(t: ExecutionContext, trace: string, report: string, number: number) {
  const { head, column } = await dataOf(report);
  const at = String(number);
  const rss = await memprofJson<Rss>(t, 'rss', trace, '--at', at);
  const fragmented = await memprofJson<Fragmented>(t, 'fragmentation', trace, '--at', at);
  const shown = head.memory.checkpoints.find((one) => one.number === number);
  if (shown === undefined) return t.fail(`the report has no checkpoint ${number}`);
  t.is(shown.residentBytes, rss.residentBytes);
  t.deepEqual(
    shown.parts.map(({ kind, residentBytes, sizeBytes, count }) => ({
      kind,
      residentBytes,
      sizeBytes,
      count,
    })),
    rss.parts.map(({ kind, residentBytes, sizeBytes, count }) => ({
      kind,
      residentBytes,
      sizeBytes,
      count,
    })),
  );
  t.is(
    shown.parts.reduce((sum, one) => sum + one.residentBytes, 0),
    rss.residentBytes,
    'the parts add up',
  );
  for (const [row, part] of shown.parts.entries()) {
    const sum = (rows: readonly { residentBytes: number }[]) =>
      rows.reduce((all, one) => all + one.residentBytes, 0);
    t.is(sum(part.rows) + part.hiddenRows.residentBytes, sum(rss.parts[row]!.rows), part.kind);
  }
  t.deepEqual(
    shown.verdicts.map((one) => one.verdict),
    fragmented.findings.map((one) => one.verdict),
  );
  t.deepEqual(
    shown.arenas.map((one) => [one.residentBytes, one.trimmableBytes, one.liveBlockCount]),
    fragmented.arenas.map((one) => [one.residentBytes, one.trimmableBytes, one.liveBlockCount]),
  );
  t.deepEqual(
    shown.pages?.map((one) => [one.pageCount, one.liveBytes]) ?? null,
    fragmented.pages?.map((one) => [one.pageCount, one.liveBytes]) ?? null,
  );
  t.deepEqual(shown.sizes, fragmented.sizes);
  const rounded = (sites: Fragmented['pinning'] | null) =>
    (sites ?? []).map((one) => [
      one.blockCount,
      one.pageCount,
      Math.round(one.keptBytes),
      one.ageNs,
    ]);
  t.deepEqual(
    rounded(shown.pinning).sort((a, b) => b[2]! - a[2]! || b[0]! - a[0]! || b[3]! - a[3]!),
    rounded(fragmented.pinning).sort((a, b) => b[2]! - a[2]! || b[0]! - a[0]! || b[3]! - a[3]!),
  );
  if (shown.map === null) return t.deepEqual(fragmented.maps, []);
  t.is(shown.map.pagesOfCell, 1);
  const drawn = fragmented.maps.filter((map) => map.occupancy.some((one) => one !== 255));
  t.deepEqual(
    shown.map.heaps.map((one) => one.low),
    drawn.map((one) => one.low),
  );
  t.deepEqual(
    [...column('pages.occupancy')],
    drawn.flatMap((one) => one.occupancy),
  );
}

test.serial(
  'of a fragmented program the report has the numbers of rss and fragmentation',
  async (t) => {
    await assertSame(t, sparse, sparseReport, 1);
    const { findings } = (await dataOf(sparseReport)).head;
    t.is(findings[0]?.view, 'memory');
    t.regex(findings[0]?.title ?? '', /^Fragmentation: /);
  },
);

test.serial('so it has at an earlier checkpoint of a Node program, and at the last', async (t) => {
  const { checkpoints } = (await dataOf(growingReport)).head.memory;
  t.true(checkpoints.length >= 3);
  await assertSame(t, growing, growingReport, checkpoints[0]!.number);
  await assertSame(t, growing, growingReport, checkpoints.at(-1)!.number);
});

const region = (page: Page, name: string) => page.getByRole('region', { name });
const textOf = async (page: Page, name: string) => (await region(page, name).textContent()) ?? '';

for (const look of looks)
  inBrowser(
    `the view of memory, ${look.width} pixels wide, ${look.theme}${skipReason}`,
    async (t) => {
      const isOneOfBoth = look === looks[0] || look === looks[3];
      for (const report of isOneOfBoth ? [sparseReport, growingReport] : [sparseReport]) {
        const open = await openReport(browser!, report, look, { hash: '#view=memory' });
        const { page } = open;
        await settle(page);
        t.deepEqual(await layoutFaults(page), []);
        await page.locator('.opens').first().click();
        await settle(page);
        t.deepEqual(await layoutFaults(page), [], 'a part that is open');
        for (const colouring of ['age', 'package']) {
          await page.getByRole('combobox', { name: 'Colour by' }).selectOption(colouring);
          await settle(page);
          t.deepEqual(await layoutFaults(page), [], colouring);
        }
        assertNoComplaints(t, open);
        await open.close();
      }
    },
  );

inBrowser(
  `the finding leads to the view, and a pinning site to its own${skipReason}`,
  async (t) => {
    const open = await openReport(browser!, sparseReport, looks[0]!);
    const { page } = open;
    const finding = page.locator('.finding', { hasText: 'Fragmentation' });
    await finding.getByRole('link', { name: 'See where memory goes' }).click();
    await settle(page);
    const { head } = await dataOf(sparseReport);
    const shown = head.memory.checkpoints[0]!;
    t.is(await page.locator('h1').textContent(), `${formatBytes(shown.residentBytes)} resident`);
    t.regex(await textOf(page, 'Why it is resident'), /pool them/);
    t.true(
      (await textOf(page, 'Pages of the heaps')).includes(formatCount(shown.pages![1]!.pageCount)),
    );
    await region(page, 'What keeps nearly empty pages')
      .getByRole('link', { name: 'survivor' })
      .click();
    await settle(page);
    t.regex((await region(page, 'Site').locator('h2').textContent()) ?? '', /survivor/);
    assertNoComplaints(t, open);
    await open.close();
  },
);

inBrowser(
  `the map of the heaps is walked by keyboard and told in words${skipReason}`,
  async (t) => {
    const open = await openReport(browser!, sparseReport, looks[0]!, { hash: '#view=memory' });
    const { page } = open;
    await settle(page);
    const told = async () => (await page.locator('#heat-told').textContent()) ?? '';
    const map = (await dataOf(sparseReport)).head.memory.checkpoints[0]!.map!;
    const cells = map.heaps.reduce((sum, heap) => sum + heap.cellCount, 0);
    const canvas = page.locator('.heat canvas');
    t.is(await canvas.getAttribute('data-cells'), String(cells), 'a cell a page');
    await canvas.focus();
    await page.keyboard.press('Home');
    await page.keyboard.press('ArrowRight');
    await page.keyboard.press('ArrowDown');
    await settle(page);
    t.regex(await told(), /live blocks fill 1\.6%, most of it heaps/);
    await page.keyboard.press('End');
    await settle(page);
    const { low, high } = map.heaps.at(-1)!;
    t.true(
      (await told()).startsWith(
        `0x${(high - 4096).toString(16)}, 4.0 KiB of the heap at 0x${low.toString(16)}`,
      ),
    );
    assertNoComplaints(t, open);
    await open.close();
  },
);

inBrowser(`an earlier checkpoint is chosen, and says what it lacks${skipReason}`, async (t) => {
  const open = await openReport(browser!, growingReport, looks[0]!, { hash: '#view=memory' });
  const { page } = open;
  const { checkpoints } = (await dataOf(growingReport)).head.memory;
  const first = checkpoints[0]!;
  await page.getByRole('combobox', { name: 'at', exact: true }).selectOption(String(first.number));
  await settle(page);
  t.is(await page.locator('h1').textContent(), `${formatBytes(first.residentBytes)} resident`);
  t.regex((await page.locator('main').textContent()) ?? '', /kept of the last checkpoint only/);
  t.is(await page.locator('.heat').count(), 0);
  const again = await openReport(browser!, growingReport, looks[0]!, {
    hash: new URL(page.url()).hash,
  });
  t.is(
    await again.page.locator('h1').textContent(),
    `${formatBytes(first.residentBytes)} resident`,
  );
  await again.close();
  assertNoComplaints(t, open);
  await open.close();
});

inBrowser(`without canvas the tables of the heaps are there${skipReason}`, async (t) => {
  const before = 'HTMLCanvasElement.prototype.getContext = () => null;';
  const open = await openReport(browser!, sparseReport, looks[0]!, {
    hash: '#view=memory',
    before,
  });
  t.regex(await textOf(open.page, 'Map of the heaps'), /does not draw on canvas.*5,000 pages/s);
  assertNoComplaints(t, open);
  await open.close();
});

inBrowser(
  `resident memory over time stands beside what is live, as a table too${skipReason}`,
  async (t) => {
    interface Timeline {
      peak: { residentBytes: number };
      samples: { residentBytes: number }[];
    }
    const { head, column } = await dataOf(growingReport);
    const found = await memprofJson<Timeline>(t, 'rss', growing, '--timeline');
    t.deepEqual(
      [...column('resident.bytes')],
      found.samples.map((one) => one.residentBytes),
    );
    for (const look of [looks[0]!, looks[3]!]) {
      const open = await openReport(browser!, growingReport, look, { hash: '#view=timeline' });
      const { page } = open;
      t.true(
        (await textOf(page, 'Resident memory')).includes(formatBytes(found.peak.residentBytes)),
      );
      t.is(await region(page, 'Resident memory').locator('canvas').count(), 1);
      await page.getByRole('button', { name: 'As a table' }).click();
      await settle(page);
      t.is(
        await region(page, 'Resident memory').locator('.plain tbody tr').count(),
        head.memory.timeline!.rows.length,
      );
      t.deepEqual(await layoutFaults(page), []);
      assertNoComplaints(t, open);
      await open.close();
    }
  },
);
