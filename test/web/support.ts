// Opens reports in Debian's Chromium and looks at what can be seen: no request, no error, nothing clipped, nothing
// on top of each other.
import { accessSync, constants, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { type Browser, chromium, type Page } from 'playwright-core';
import { packageRoot } from '../../src/paths.js';

const candidates = [
  process.env['MEMPROF_CHROMIUM'],
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome',
];

function findChromium(): string | null {
  for (const path of candidates) {
    if (path === undefined) continue;
    try {
      accessSync(path, constants.X_OK);
      return path;
    } catch {
      // Not here: the next.
    }
  }
  return null;
}

export const chromiumPath: string | null = findChromium();
export const skipReason = chromiumPath === null ? ' (skipped: no Chromium here)' : '';

export function launch(): Promise<Browser> {
  return chromium.launch({ executablePath: chromiumPath ?? '', args: ['--no-sandbox'] });
}

export interface Look {
  width: number;
  height: number;
  theme: 'light' | 'dark';
  /** Else nothing glides. */
  isMoving?: boolean;
}

export const viewTitles = [
  'Overview',
  'Timeline',
  'Flame graph',
  'Sites',
  'Blocks & owners',
  'Memory',
  'Node-API',
] as const;

export const looks: readonly Look[] = [
  { width: 1280, height: 800, theme: 'light' },
  { width: 1280, height: 800, theme: 'dark' },
  { width: 390, height: 844, theme: 'light' },
  { width: 390, height: 844, theme: 'dark' },
];

export interface OpenPage {
  page: Page;
  /** Requests and messages that should not be there. */
  complaints: string[];
  close(): Promise<void>;
}

/** Returns once the report is drawn. `before` runs in the page before its own script. */
export async function openReport(
  browser: Browser,
  path: string,
  { width, height, theme, isMoving }: Look,
  options: { hash?: string; before?: string } = {},
): Promise<OpenPage> {
  const context = await browser.newContext({
    viewport: { width, height },
    colorScheme: theme,
    reducedMotion: isMoving === true ? 'no-preference' : 'reduce',
  });
  const page = await context.newPage();
  const url = `file://${path}`;
  const complaints: string[] = [];
  page.on('request', (request) => {
    if (request.url().split('#')[0] !== url) complaints.push(`request of ${request.url()}`);
  });
  page.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warning')
      complaints.push(`console: ${message.text()}`);
  });
  page.on('pageerror', (error) => complaints.push(`error: ${error.message}`));
  page.on('dialog', (dialog) => {
    complaints.push(`dialog: ${dialog.message()}`);
    void dialog.dismiss();
  });
  if (options.before !== undefined) await page.addInitScript(options.before);
  await page.goto(`${url}${options.hash ?? ''}`);
  await page.waitForSelector('nav.tabs, [role=alert]', { timeout: 60_000 });
  return { page, complaints, close: () => context.close() };
}

/** Two frames later: everything that a change leads to is drawn. */
export const settle = (page: Page): Promise<void> =>
  page.evaluate<void>(
    'new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done, 30))))',
  );

export async function showView(page: Page, name: string): Promise<void> {
  await page.getByRole('navigation', { name: 'Views' }).getByRole('link', { name }).click();
  await settle(page);
}

/** Runs in the page, so it is no part of this program. */
const layoutScript = readFileSync(join(packageRoot, 'test/web/in-page/layout-faults.js'), 'utf8');

/** What is wrong with the layout: texts beyond the page's sides, cut off, or on top of each other. */
export function layoutFaults(page: Page): Promise<string[]> {
  return page.evaluate<string[]>(layoutScript);
}

export function assertNoComplaints(t: ExecutionContext, open: OpenPage): void {
  t.deepEqual(open.complaints, []);
}
