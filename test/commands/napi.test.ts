import test from 'ava';
import type { TraceCommand } from '../../src/commands/context.js';
import { type NapiOptions, napi } from '../../src/commands/napi.js';
import {
  ResourceKind,
  type ResourceLedger,
  type ResourceTotals,
  type StackId,
  type TraceModel,
} from '../../src/model/index.js';
import { plainStyle, textWidth } from '../../src/report/index.js';
import { noPackages, stackOwners, symbolize } from '../../src/symbols/index.js';
import { ModelBuilder } from '../model-builder.js';
import { textOf, validJson } from './support.js';

interface Made {
  kind: number;
  stackId: StackId;
  className?: string;
  created: number;
  released?: number;
  finalized?: number;
  unwatched?: number;
  outstanding: number;
  /** Of each that is outstanding. */
  value?: number;
}

function ledger(all: readonly Made[]): ResourceLedger {
  const rows = all.flatMap((one) => Array.from({ length: one.outstanding }, () => one));
  const classNames = [...new Set(all.map((one) => one.className ?? ''))];
  const column = (of: (one: Made, at: number) => number) => rows.map(of);
  const zeros = new Float64Array(rows.length);
  return {
    totals: all.map(
      (one): ResourceTotals => ({
        kind: one.kind,
        stackId: one.stackId,
        className: one.className ?? '',
        createdCount: one.created,
        unwatchedCount: one.unwatched ?? 0,
        releasedCount: one.released ?? 0,
        finalizedCount: one.finalized ?? 0,
        tornDownCount: 0,
        outstandingValue: one.outstanding * (one.value ?? 0),
      }),
    ),
    outstanding: {
      count: rows.length,
      id: Float64Array.from(column((_one, at) => at + 1)),
      kind: Uint8Array.from(column((one) => one.kind)),
      stackId: Uint32Array.from(column((one) => one.stackId)),
      threadIndex: new Uint32Array(rows.length),
      environment: new Uint32Array(rows.length),
      createdNs: zeros,
      data: zeros,
      handle: zeros,
      value: Float64Array.from(column((one) => one.value ?? 0)),
      classIndex: Uint32Array.from(column((one) => classNames.indexOf(one.className ?? ''))),
      classNames,
    },
  };
}

function commandFor(model: TraceModel, m: ModelBuilder, columns = 80): TraceCommand {
  return {
    model,
    tracePath: 'x.mprof',
    findOwners: (of, ids) => stackOwners(of, ids, m.resolver(), noPackages),
    nameStacks: (of, ids) =>
      symbolize(of, ids, m.resolver(), {
        packageOf: (path) => {
          const name = /node_modules\/([^/]+)/.exec(path)?.[1];
          return name === undefined ? null : { name, version: '2.0.0' };
        },
      }),
    nameData: () => Promise.resolve([]),
    findSymbols: () => Promise.reject(new Error('napi looks for no symbol')),
    columns,
    style: plainStyle,
    memprofCommand: 'memprof',
  };
}

const { wrap, reference, externalMemory, handleScope, persistent, threadsafeFunction } =
  ResourceKind;

function leaky(): { model: TraceModel; m: ModelBuilder } {
  const m = new ModelBuilder();
  const stackIn = (name: string, call: string) =>
    m.stack(`
      /app/node_modules/${name}/${name}.node ${call}@/app/node_modules/${name}/${name}.cc:12
      js JS:~handler /app/app.js:12:17
      node node::Start(int, char**)
    `);
  const image = stackIn('leaky', 'leaky::Image::New');
  const size = stackIn('leaky', 'leaky::Image::Load');
  const scope = stackIn('leaky', 'leaky::on_timer');
  const tidy = stackIn('tidy', 'tidy::Thing::New');
  m.live('both', size, 2 ** 20, 512);
  m.live('both', tidy, 2 ** 20, 20);
  return {
    m,
    model: {
      ...m.build(),
      resources: ledger([
        {
          kind: wrap,
          stackId: image,
          className: 'Image',
          created: 10_001,
          finalized: 10_001,
          outstanding: 0,
        },
        {
          kind: reference,
          stackId: image,
          className: 'Image',
          created: 10_001,
          outstanding: 10_001,
        },
        { kind: wrap, stackId: size, className: 'Image', created: 512, outstanding: 512 },
        { kind: handleScope, stackId: scope, created: 1, outstanding: 1 },
        { kind: threadsafeFunction, stackId: tidy, created: 1, outstanding: 1, value: 1 },
        {
          kind: wrap,
          stackId: tidy,
          className: 'Thing',
          created: 40,
          finalized: 20,
          outstanding: 20,
        },
        {
          kind: reference,
          stackId: tidy,
          className: 'Thing',
          created: 40,
          released: 20,
          outstanding: 20,
        },
        { kind: persistent, stackId: tidy, created: 200, outstanding: 200, value: 1 },
        { kind: externalMemory, stackId: tidy, created: 1, outstanding: 1, value: 20 * 2 ** 20 },
      ]),
    },
  };
}

const defaults: NapiOptions = { limit: 10 };
interface NapiJson {
  addons: {
    package: { name: string } | null;
    findings: { kind: string; text: string; count: number }[];
  }[];
  sites: { kind: string; className: string | null; outstandingCount: number }[];
}

test('the findings say in words what an addon forgot, and nothing of one that did not', async (t) => {
  const { model, m } = leaky();
  const json = (await validJson(
    t,
    'napi',
    napi(commandFor(model, m), { ...defaults, json: true }),
  )) as NapiJson;
  t.deepEqual(
    json.addons.map((addon) => [addon.package?.name, addon.findings.map((one) => one.text)]),
    [
      [
        'leaky',
        [
          "10,001 wraps, 0 references deleted: napi_wrap's reference is never removed",
          'tells V8 0 B, holds 512.0 MiB: the collector has no reason to run',
          '1 handle scope left open: the objects in it cannot be collected',
        ],
      ],
      ['tidy', []],
    ],
  );
  t.is(json.sites.length, 9);
  t.deepEqual(
    json.sites.filter((site) => site.className === 'Thing').map((site) => site.outstandingCount),
    [20, 20],
  );
});

test('napi draws within its columns, with sites and stacks', async (t) => {
  const { model, m } = leaky();
  for (const columns of [80, 120]) {
    for (const stacks of [false, true]) {
      const text = await textOf(napi(commandFor(model, m, columns), { ...defaults, stacks }));
      for (const line of text.split('\n')) t.true(textWidth(line) <= columns, line);
      t.true(text.includes('! 10,001 wraps, 0 references deleted'), text);
      t.true(text.includes('leaky::Image::New'), text);
    }
  }
});

test('one addon alone, and a trace without any', async (t) => {
  const { model, m } = leaky();
  const tidy = await textOf(napi(commandFor(model, m), { ...defaults, package: 'tidy' }));
  t.false(tidy.includes('leaky'), tidy);
  t.true(tidy.includes('20.0 MiB'), tidy);
  const none = await textOf(napi(commandFor(m.build(), m), defaults));
  t.is(none, 'No addon called Node-API or V8 for anything that has to be given back.');
});
