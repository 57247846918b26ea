// The report of a real package's run with checkpoints, opened in a browser.
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import { buildWithNodeGyp, installed } from '../e2e/support/npm.js';
import { MadeReports } from './made.js';
import {
  assertNoComplaints,
  chromiumPath,
  launch,
  layoutFaults,
  looks,
  openReport,
  showView,
  skipReason,
  viewTitles,
} from './support.js';

const sqlite = await installed('better-sqlite3', ['better-sqlite3@12.9.0'], {
  prepare: (folder) => buildWithNodeGyp(join(folder, 'node_modules', 'better-sqlite3')),
});
const reason = sqlite.reason === null ? skipReason : ` (skipped: ${sqlite.reason})`;
const withAll = sqlite.folder === null || chromiumPath === null ? test.skip : test;

withAll(
  `better-sqlite3's run, with checkpoints on the timeline, in every view${reason}`,
  async (t) => {
    const made = await MadeReports.create();
    t.teardown(() => made.remove());
    const script = join(sqlite.folder as string, 'web-report.cjs');
    await writeFile(
      script,
      `const Database = require('better-sqlite3');
     const db = new Database(':memory:');
     db.exec('create table notes (id integer primary key, text text)');
     const insert = db.prepare('insert into notes (text) values (?)');
     let turn = 0;
     const timer = setInterval(() => {
       db.transaction(() => { for (let i = 0; i < 500; i++) insert.run('note '.repeat(i % 40)); })();
       if (++turn === 12) { clearInterval(timer); globalThis.db = db; }
     }, 100);`,
    );
    const trace = await made.trace('sqlite', [process.execPath, script], ['--checkpoint', '400ms']);
    const path = await made.report(trace);
    const browser = await launch();
    t.teardown(() => browser.close());
    for (const look of [looks[0]!, looks[3]!]) {
      const open = await openReport(browser, path, look);
      const { page } = open;
      for (const view of viewTitles) {
        await showView(page, view);
        t.deepEqual(await layoutFaults(page), [], view);
      }
      await showView(page, 'Timeline');
      t.true((await page.locator('.marks li', { hasText: 'checkpoint' }).count()) >= 2);
      await showView(page, 'Blocks & owners');
      const owners =
        (await page.getByRole('region', { name: 'By JavaScript class' }).textContent()) ?? '';
      t.regex(owners, /Database|Statement/);
      assertNoComplaints(t, open);
      await open.close();
    }
  },
);
