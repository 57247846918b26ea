// Measures a report in Chromium: node dist/test/web/measure.js [REPORT.html...]; without one a synthetic report of
// 100,000 frames, and the report of a run of ten million events. Not a test: figures depend on the machine.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { gzipSync } from 'node:zlib';
import { reportTemplatePath } from '../../src/paths.js';
import { buildProgram } from '../e2e/support/build.js';
import { MadeReports } from './made.js';
import { launch, openReport, settle, showView } from './support.js';
import { documentOf, syntheticData } from './synthetic.js';

const zoomScript = `(async () => {
  const canvas = document.querySelector('canvas');
  const gaps = [];
  const draws = [];
  let last = performance.now();
  let isOn = true;
  const tick = (now) => {
    gaps.push(now - last);
    draws.push(Number(canvas.dataset.drawMs));
    last = now;
    if (isOn) requestAnimationFrame(tick);
  };
  requestAnimationFrame(tick);
  canvas.focus();
  const press = (key) => canvas.dispatchEvent(new KeyboardEvent('keydown', { key, bubbles: true }));
  for (let turn = 0; turn < 12; turn++) {
    for (let at = 0; at < 3; at++) press('ArrowDown');
    press('Enter');
    await new Promise((done) => setTimeout(done, 250));
    press('Home');
    press('Enter');
    await new Promise((done) => setTimeout(done, 250));
  }
  isOn = false;
  const sorted = (list) => [...list].sort((a, b) => a - b);
  const at = (list, part) => sorted(list)[Math.floor(part * (list.length - 1))];
  return {
    frames: gaps.length,
    drawn: canvas.dataset.drawn,
    gapMs: [0.5, 0.95].map((part) => at(gaps, part).toFixed(1)),
    drawMs: [0.5, 0.95, 1].map((part) => at(draws, part).toFixed(2)),
  };
})()`;

const folder = mkdtempSync(join(tmpdir(), 'memprof-measure-'));
const browser = await launch();
try {
  const files = process.argv.slice(2).map((path) => resolve(path));
  if (files.length === 0) {
    const path = join(folder, 'synthetic.html');
    const packed = syntheticData({ siteCount: 10_000, nodeCount: 100_000 });
    writeFileSync(path, documentOf(readFileSync(reportTemplatePath, 'utf8'), gzipSync(packed)));
    files.push(path);
    const flood = [await buildProgram('flood.c'), '10000000'];
    const made = new MadeReports(folder);
    files.push(await made.report(await made.trace('ten-million', flood)));
  }
  for (const path of files) {
    const look = { width: 1280, height: 800, theme: 'light', isMoving: true } as const;
    const open = await openReport(browser, path, look);
    await settle(open.page);
    const paint = await open.page.evaluate<{ firstMs: number; readyMs: number }>(
      `({
        firstMs: performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? -1,
        readyMs: performance.getEntriesByName('memprof-ready')[0]?.startTime ?? -1,
      })`,
    );
    for (const view of ['Timeline', 'Sites', 'Blocks & owners', 'Flame graph'])
      await showView(open.page, view);
    await open.page.getByLabel('Node’s and library frames').check();
    await settle(open.page);
    const flame = await open.page.evaluate<unknown>(zoomScript);
    const session = await open.page.context().newCDPSession(open.page);
    await session.send('HeapProfiler.collectGarbage');
    await session.send('Performance.enable');
    const { metrics } = await session.send('Performance.getMetrics');
    const metric = (name: string) => metrics.find((one) => one.name === name)?.value ?? 0;
    const mib = (bytes: number) => `${(bytes / 2 ** 20).toFixed(1)} MiB`;
    process.stdout.write(
      `${path}: file ${mib(readFileSync(path).length)}, first paint ${paint.firstMs.toFixed(0)} ms, drawn ${paint.readyMs.toFixed(0)} ms, JS heap ${mib(metric('JSHeapUsedSize'))} used of ${mib(metric('JSHeapTotalSize'))}\n  flame graph: ${JSON.stringify(flame)}\n  ${open.complaints.join('; ')}\n`,
    );
    await open.close();
  }
} finally {
  await browser.close();
  rmSync(folder, { recursive: true });
}
