// The report that is made ahead, for nobody.
import { PassThrough } from 'node:stream';
import test from 'ava';
import { ExitReport } from '../../src/commands/run-report.js';
import type { TraceModel } from '../../src/model/index.js';
import { ModelBuilder } from '../model-builder.js';

function model(blockCount: number): TraceModel {
  const m = new ModelBuilder();
  const leak = m.stack(`
    libmemprof.so malloc
    /app/node_modules/leaky/leaky.node leaky::Cache::add(int)@/app/node_modules/leaky/cache.cc:34
    js JS:~handler file:///app/app.js:12:17
    node node::Start(int, char**)
  `);
  m.live('both', leak, 1024, blockCount);
  return m.build();
}

async function printed(rehearse: (report: ExitReport) => Promise<void>): Promise<string> {
  const stream = new PassThrough();
  let text = '';
  stream.on('data', (bytes: Buffer) => {
    text += bytes.toString();
  });
  const report = new ExitReport(stream as unknown as NodeJS.WriteStream);
  await rehearse(report);
  if (text !== '') throw new Error(`the rehearsal wrote ${JSON.stringify(text)}`);
  const whole = { tracePath: 'app.mprof', traceBytes: 4096, isRoot: true, warnings: [] };
  const last = model(3000);
  await report.print([{ model: last, ...whole }], last.process.pid);
  return text;
}

test('a report made ahead writes nothing, and leaves the report at the end as it would be', async (t) => {
  const alone = await printed(async () => {});
  t.regex(alone, /3,000 blocks/);
  t.is(await printed((report) => report.rehearse(model(7), () => false)), alone);
});

test('it ends when the program does, and fails for itself alone', async (t) => {
  const alone = await printed(async () => {});
  let asked = 0;
  t.is(await printed((report) => report.rehearse(model(7), () => ++asked > 0)), alone);
  t.is(asked, 1);
  const broken = { ...model(7), stacks: null } as unknown as TraceModel;
  t.is(await printed((report) => report.rehearse(broken, () => false)), alone);
});
