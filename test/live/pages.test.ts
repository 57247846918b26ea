// Pages that watch a program, over HTTP: who gets them, what they are given while the program runs and at its end, and
// that the program does not notice.
import { existsSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { join } from 'node:path';
import test from 'ava';
import { memprofJson, run, runBin, scratchFolder } from '../e2e/support/run.js';
import { growApp, liveThrough, PlainPage, Served, shelfAddon } from './pages-support.js';

const addon = await shelfAddon;

const blockBytes = 48 << 10;

test.serial(
  'a page is fed while the program runs, and at its end has the finished report',
  async (t) => {
    const served = await Served.run(t, ['-q', '-o', 't.mprof', '--report=r.html']);
    const page = await PlainPage.open(served);
    const first = await page.until((data) => liveThrough(data, 'shelf::lose') > 0);
    const before = liveThrough(first, 'shelf::lose');
    t.is(before % blockBytes, 0);
    t.true(first.head.live?.isRunning);
    t.is(first.head.ended, 'is running');
    t.true(first.head.live?.areNamed);
    t.true(liveThrough(first, 'growBySteps') >= before);
    const later = await page.until((data) => liveThrough(data, 'shelf::lose') > before);
    t.true(later.head.totals.allocatedBytes > first.head.totals.allocatedBytes);
    t.true(later.head.durationNs > first.head.durationNs);
    served.stop();
    const last = await page.until(({ head }) => head.live?.isRunning === false);
    t.deepEqual(await served.ended, { code: 5, signal: null });
    t.is(last.head.checkpoints.length, 1);
    t.true(last.head.hasVerdicts);
    t.regex(last.head.findings[0]?.title ?? '', /lost, allocated by shelf::/);
    const trace = join(served.folder, 't.mprof');
    const summary = await memprofJson<{ allocated: { sizeBytes: number } }>(t, 'summary', trace);
    t.is(last.head.totals.allocatedBytes, summary.allocated.sizeBytes);
    t.true(existsSync(join(served.folder, 'r.html')));
    t.is(served.stderr.match(/http:/g)?.length, 1, served.stderr);
  },
);

test.serial(
  'the server answers those alone who have its token, by a name of its own',
  async (t) => {
    const served = await Served.run(t, ['-q']);
    const page = `/?token=${served.token}`;
    const { status, headers, body } = await served.ask(page);
    t.is(status, 200);
    t.regex(String(headers['content-security-policy']), /^default-src 'none'.*connect-src 'self'/);
    t.true(body.toString().includes("connect-src 'self'"), 'the policy in the page, too');
    t.is(headers['referrer-policy'], 'no-referrer');
    t.is(headers['cache-control'], 'no-store');
    t.is(headers['access-control-allow-origin'], undefined);
    const statusOf = async (...asked: Parameters<Served['ask']>) =>
      (await served.ask(...asked)).status;
    t.is(await statusOf('/'), 403);
    t.is(await statusOf('/?token=guessed'), 403);
    t.is(await statusOf(page, { headers: { host: 'evil.example' } }), 403);
    t.is(await statusOf(page, { method: 'POST' }), 405);
    t.is(await statusOf(`/report.html?token=${served.token}`), 404);
    t.is(await statusOf(served.dataPath('another', 'p', 0)), 409);
    const { port } = served;
    await t.throwsAsync(
      new Promise((connected, failed) => {
        connect({ host: '::1', port }, () => connected(null)).on('error', failed);
      }),
      undefined,
      'not on ::1',
    );
    served.stop();
    await served.ended;
  },
);

test.serial(
  'nothing is read while no page asks; so many pages are served, and the next is told why not',
  async (t) => {
    const served = await Served.run(t, ['-q', '-o', 't.mprof']);
    const trace = join(served.folder, 't.mprof');
    await served.until(() => (existsSync(trace) ? true : null));
    const build = await served.build();
    const openCount = () => descriptorsOf(served.child.pid as number, trace);
    t.is(openCount(), 1, 'the recorder has it open');
    const far = 1e9;
    const held = Array.from({ length: 16 }, (_, at) => served.hold(build, `page-${at}`, far));
    await served.until(() => (openCount() === 2 ? true : null));
    const crowded = await served.ask(served.dataPath(build, 'one-more', far));
    t.is(crowded.status, 503);
    t.regex(crowded.body.toString(), /16 pages watch this program already/);
    t.is((await served.ask(`/?token=${served.token}`)).status, 200, 'the page itself');
    held[3]?.();
    let status = 503;
    while (status === 503)
      status = (await served.ask(served.dataPath(build, 'one-more', 0))).status;
    t.is(status, 200);
    served.stop();
    t.is((await served.ended).code, 5);
  },
);

test.serial("the program's own port, signals and status are as without a page", async (t) => {
  const served = await Served.run(t, ['-q', '--check=lost']);
  const page = await PlainPage.open(served);
  await page.until((data) => data.head.totals.allocationCount > 0);
  const port = await served.until(() => /port (\d+)/.exec(served.stdout)?.[1] ?? null);
  const answer = await fetch(`http://127.0.0.1:${port}/`);
  t.is(await answer.text(), 'of the program');
  t.is((await fetch(`http://127.0.0.1:${port}/?token=x`)).headers.get('referrer-policy'), null);
  served.child.kill('SIGTERM');
  await page.until(({ head }) => head.live?.isRunning === false);
  t.deepEqual(await served.ended, { code: 7, signal: null });
});

test.serial(
  'memprof live PID --web watches from beside, until the program has ended',
  async (t) => {
    const folder = await scratchFolder(t);
    let pid = 0;
    const words = [runBin, '-q', '-o', 't.mprof', process.execPath, growApp, addon];
    const running = run([process.execPath, ...words], {
      cwd: folder,
      onOutput: (_, child) => {
        pid = childOf(child.pid as number);
      },
    });
    while (pid === 0) await new Promise((later) => setTimeout(later, 20));
    const served = await Served.watch(t, pid, folder);
    const page = await PlainPage.open(served);
    const first = await page.until((data) => liveThrough(data, 'shelf::lose') > 0);
    t.is(first.head.pid, pid);
    served.stop();
    const last = await page.until(({ head }) => head.live?.isRunning === false);
    t.is(last.head.checkpoints.length, 1);
    t.deepEqual(await served.ended, { code: 0, signal: null });
    t.regex(served.stdout, /is not recorded any more/);
    t.is((await running).code, 5);
  },
);

test.serial('a program that another one replaced by exec is followed', async (t) => {
  const shell = ['sh', '-c', `exec "${process.execPath}" "${growApp}" "${addon}"`];
  const served = await Served.run(t, ['-q', '-o', 't.mprof'], shell);
  const page = await PlainPage.open(served);
  await page.until((data) => liveThrough(data, 'shelf::lose') > 0);
  served.stop();
  const last = await page.until(({ head }) => head.live?.isRunning === false);
  t.regex(last.head.ended, /status 5/);
  t.is((await served.ended).code, 5);
});

test.serial('without events the page shows what is live', async (t) => {
  const served = await Served.run(t, ['-q', '--events', 'none']);
  const page = await PlainPage.open(served);
  const data = await page.until((one) => liveThrough(one, 'shelf::lose') > 0);
  t.false(data.head.hasEvents);
  served.stop();
  await page.until(({ head }) => head.live?.isRunning === false);
  t.is((await served.ended).code, 5);
});

test.serial('what cannot be served is said before the program starts', async (t) => {
  const folder = await scratchFolder(t);
  const server = await listening();
  const { port } = server.address() as AddressInfo;
  const outcomeOf = (...options: string[]) =>
    run([process.execPath, runBin, ...options, process.execPath, '-e', 'console.log("begun")'], {
      cwd: folder,
    });
  const inUse = await outcomeOf('--live=web', '--port', String(port));
  server.close();
  t.is(inUse.code, 125);
  t.is(inUse.stdout, '');
  t.is(inUse.stderr.trim().split('\n').length, 1, inUse.stderr);
  t.regex(inUse.stderr, new RegExp(`port ${port} of 127\\.0\\.0\\.1 is in use`));
  for (const [options, text] of [
    [['--port', '4711'], /--port is for --live=web/],
    [['--live=browser'], /there are terminal .* and web/],
    [['--live=web', '-o', '/dev/null'], /shows what is in the trace/],
    [['--live=web', '--port', '70000'], /0 to 65535/],
  ] as const) {
    const { code, stdout, stderr } = await outcomeOf(...options);
    t.deepEqual([code, stdout], [125, ''], stderr);
    t.regex(stderr, text);
  }
  t.deepEqual(
    readdirSync(folder).filter((name) => name.endsWith('.mprof')),
    [],
  );
});

async function listening(): Promise<Server> {
  const server = createServer();
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  return server;
}

function childOf(pid: number): number {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim();
  return Number(children.split(' ')[0] ?? 0);
}

/** How often a process has a file open. */
function descriptorsOf(pid: number, path: string): number {
  return readdirSync(`/proc/${pid}/fd`).filter((name) => {
    try {
      return readlinkSync(`/proc/${pid}/fd/${name}`) === path;
    } catch {
      // Closed since the folder was listed.
      return false;
    }
  }).length;
}
