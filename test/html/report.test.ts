// The whole way from a model to the file and back, without a browser.
import test from 'ava';
import { buildFlame, searchFlame, visibleNodes } from '../../src/html/flame.js';
import {
  buildReport,
  type ReportHead,
  type ReportInput,
  reportDocument,
  StackIndex,
  unpack,
} from '../../src/html/index.js';
import { type PageData, pageData } from '../../src/html/page-data.js';
import {
  allPackages,
  liveAtEdges,
  peakEdge,
  type Selection,
  sumBefore,
  sumByGroup,
  sumBySite,
  totalOf,
  usersPackages,
} from '../../src/html/selection.js';
import { EventBatch, EventType, MarkKind, Recording } from '../../src/ledger/index.js';
import type { StackId, TraceModel } from '../../src/model/index.js';
import { liveStackIds, noRootNames } from '../../src/report/index.js';
import { symbolize } from '../../src/symbols/index.js';
import { plainHost } from '../ledger/support.js';
import { ModelBuilder } from '../model-builder.js';

interface Drawn {
  m: ModelBuilder;
  model: TraceModel;
  stacks: StackId[];
  batch: EventBatch | null;
}

const below = `
  js JS:~handler /app/app.js:12:17
  node node::Start(int, char**)`;

/** Three stacks: two of an addon, one of Node's. */
function drawn(functionName = 'Image::Image()'): Omit<Drawn, 'model' | 'batch'> {
  const m = new ModelBuilder();
  const addon = '/app/node_modules/shop/shop.node';
  return {
    m,
    stacks: [
      m.stack(`${addon} ${functionName}@/app/node_modules/shop/image.cc:12 ${below}`),
      m.stack(`${addon} cache::put(Image*)@/app/node_modules/shop/cache.cc:7 ${below}`),
      m.stack('node v8::internal::Heap::SetUp()\n node node::Start(int, char**)'),
    ],
  };
}

/** [tick, what, stack or block, bytes] */
type Line = [number, 'new', number, number] | [number, 'free', number] | [number, 'teardown'];

function played({ m, stacks }: Omit<Drawn, 'model' | 'batch'>, lines: readonly Line[]): Drawn {
  const batch = new EventBatch(lines.length);
  let blocks = 0;
  for (const line of lines) {
    if (line[1] === 'new')
      batch.pushAllocation(
        EventType.malloc,
        0,
        line[0],
        ++blocks * 0x1000,
        line[3],
        stacks[line[2]],
      );
    else if (line[1] === 'free')
      batch.pushRelease(EventType.free, 0, line[0], (line[2] + 1) * 0x1000);
    else batch.pushRare(EventType.mark, 0, line[0], [MarkKind.beforeTeardown, 0, 0, 0]);
  }
  const recording = new Recording(plainHost);
  recording.consume(batch);
  const base = m.build();
  return {
    m,
    stacks,
    batch,
    model: { ...base, ...recording.parts(1, base.stacks.count), hasEvents: true },
  };
}

const lookup = (path: string) =>
  path.includes('/node_modules/shop/') ? { name: 'shop', version: '1.0.0' } : null;

async function reportOf(
  { m, model, batch }: Drawn,
  more: Partial<ReportInput> = {},
): Promise<{ packed: Uint8Array; head: ReportHead; data: PageData }> {
  const ids = liveStackIds(model, true);
  const symbols = await symbolize(model, ids, m.resolver(), { packageOf: lookup });
  const context = { isNode: true, executable: '/usr/bin/node', cwd: '/app' };
  const packed = buildReport({
    model,
    traceName: 'run.mprof',
    memprofVersion: '0.0.0',
    symbols,
    context,
    index: new StackIndex(model, symbols, ids, context, lookup),
    batches: batch === null ? null : [{ batch, nsPerTick: 1 }],
    leaks: null,
    ways: [],
    names: noRootNames,
    napi: [],
    readSource: () => null,
    warnings: [],
    bucketCount: 10,
    ...more,
  });
  const unpacked = unpack<ReportHead>(packed);
  return { packed, head: unpacked.head, data: pageData(unpacked) };
}

const run: readonly Line[] = [
  [0, 'new', 2, 1000],
  [10, 'new', 0, 100],
  [20, 'new', 1, 40],
  [30, 'free', 1],
  [45, 'new', 0, 200],
  [55, 'free', 2],
  [60, 'new', 1, 7],
  [80, 'teardown'],
  [90, 'free', 3],
  [100, 'free', 4],
];

function select(data: PageData, more: Partial<Selection> = {}): Selection {
  return {
    from: 0,
    to: data.head.defaultEndEdge,
    package: allPackages,
    thread: -1,
    measure: 'live',
    ...more,
  };
}

const amount = (data: PageData, more: Partial<Selection> = {}) =>
  totalOf(sumBySite(data, select(data, more)));

const edgeAt = (data: PageData, ns: number) => data.head.edges.findIndex((edge) => edge.atNs >= ns);

test('a selection of time, package and measure adds up to what the events say', async (t) => {
  const { data, head } = await reportOf(played(drawn(), run));
  t.is(head.edges[head.defaultEndEdge].kind, 'teardown');
  t.deepEqual(amount(data), { count: 3, bytes: 1207 });
  t.deepEqual(amount(data, { to: data.bucketCount }), { count: 1, bytes: 1000 });
  t.deepEqual(amount(data, { measure: 'total' }), { count: 5, bytes: 1347 });
  t.deepEqual(amount(data, { package: usersPackages }), { count: 2, bytes: 207 });
  const shop = head.packages.findIndex((one) => one.label === 'shop 1.0.0');
  t.deepEqual(amount(data, { package: shop, measure: 'total' }), { count: 4, bytes: 347 });
  // Allocated in this range and live at its end.
  const [from, to] = [edgeAt(data, 40), edgeAt(data, 70)];
  t.deepEqual(amount(data, { from, to }), { count: 2, bytes: 207 });
  t.deepEqual(amount(data, { from: 0, to: from }), { count: 2, bytes: 1040 });
  // The peak is at its very event: 1000 + 40 + 200.
  t.deepEqual(amount(data, { measure: 'peak' }), { count: 3, bytes: 1240 });
  t.is(head.edges[peakEdge(data, 0, data.bucketCount)].kind, 'peak');
  t.is(Math.max(...liveAtEdges(data)), 1240);
});

test('sites that look alike are one group, and groups add up to the sites', async (t) => {
  const { data } = await reportOf(played(drawn(), run));
  const bySite = sumBySite(data, select(data));
  t.deepEqual(totalOf(sumByGroup(data, bySite)), totalOf(bySite));
});

test('the flame graph holds every byte of the selection, inverted and folded as well', async (t) => {
  const { data } = await reportOf(played(drawn(), run));
  const { bytes } = sumBySite(data, select(data));
  for (const isInverted of [false, true])
    for (const isFolded of [false, true]) {
      const tree = buildFlame(data, bytes, { isInverted, isFolded });
      t.is(tree.total[0], 1207);
      t.is(
        tree.self.reduce((sum, one) => sum + one, 0),
        1207,
      );
      for (let node = 1; node < tree.count; node++) {
        t.true(tree.parent[node] < node);
        t.true(tree.start[node] >= tree.start[tree.parent[node]]);
        const right = tree.start[node] + tree.total[node] / 1207;
        t.true(
          right <= tree.start[tree.parent[node]] + tree.total[tree.parent[node]] / 1207 + 1e-9,
        );
      }
      const seen = new Set<number>();
      visibleNodes(tree, 0, 1, 0, (node) => seen.add(node));
      t.is(seen.size, tree.count, 'without a least width every node is drawn');
    }
  const tree = buildFlame(data, bytes, { isInverted: false, isFolded: false });
  const name = (frame: number) => data.head.strings[data.frames.name[frame]];
  const found = searchFlame(tree, (frame) => name(frame) === 'handler');
  t.is(found.covered, 207, 'a match below another is counted once');
});

test('nodes narrower than asked for are one sliver, and cost nothing', async (t) => {
  const { data } = await reportOf(played(drawn(), run));
  const { bytes } = sumBySite(data, select(data));
  const tree = buildFlame(data, bytes, { isInverted: true, isFolded: false });
  let [slivers, nodes] = [0, 0];
  visibleNodes(tree, 0, 1, 0.5, (_node, isSliver) => (isSliver ? slivers++ : nodes++));
  t.true(slivers >= 1);
  t.true(nodes < tree.count);
});

test('without events the report has what was live, and says what it lacks', async (t) => {
  const { m, stacks } = drawn();
  m.live('both', stacks[0], 64, 3).live('before-teardown', stacks[1], 10, 1);
  const { data, head } = await reportOf({ m, stacks, model: m.build(), batch: null });
  t.deepEqual(amount(data), { count: 4, bytes: 202 });
  t.false(head.hasEvents);
  t.regex(head.missing.join('\n'), /no events/);
  t.regex(head.missing.join('\n'), /No checkpoint/);
  t.deepEqual(data.series.maxBytes.length, 0);
});

test('a trace that was cut says so', async (t) => {
  const whole = played(drawn(), run);
  const { head } = await reportOf({ ...whole, model: { ...whole.model, complete: false } });
  t.false(head.isComplete);
  t.regex(head.missing.join('\n'), /ends before its last part/);
});

test('an empty trace makes a report', async (t) => {
  const { data, head } = await reportOf(played(drawn(), []));
  t.deepEqual(amount(data), { count: 0, bytes: 0 });
  t.true(head.edges.length >= 2);
});

test('names of the traced program are text in the file: no markup, no control or reordering characters', async (t) => {
  const hostile = `</script><img src=x onerror=alert(1)>\u202etxt\u0007<!--${'long'.repeat(3000)}`;
  const { packed, head } = await reportOf(played(drawn(hostile), run), { traceName: hostile });
  const html = reportDocument(
    '<title>memprof</title><body><!--memprof-data--></body>',
    packed,
    hostile,
  );
  t.notRegex(html, /<img|onerror=alert\(1\)>|alert\(1\)<|\u202e|\u0007/);
  t.is(html.match(/<\/script>/g)?.length, 1);
  t.is(html.match(/<\/title>/g)?.length, 1);
  const all = JSON.stringify(head);
  t.notRegex(all, /\u202e|\u0007/);
  t.true(
    head.strings.every((text) => text.length < 2600),
    'very long names are cut',
  );
});

test('a template without its place for data is refused', (t) => {
  t.throws(() => reportDocument('<body></body>', new Uint8Array(4), 'x'), { message: /template/ });
  t.throws(() => reportDocument('<!--memprof-data--><!--memprof-data-->', new Uint8Array(4), 'x'), {
    message: /template/,
  });
});

test('source lines come from files that are older than the run, around the calls of the stacks', async (t) => {
  const text = Array.from({ length: 40 }, (_one, at) => `line ${at + 1}\t<b>`).join('\n');
  const asked: string[] = [];
  const whole = played(drawn(), run);
  const { head } = await reportOf(whole, {
    readSource: (path) => {
      asked.push(path);
      const modifiedMs = path.endsWith('cache.cc') ? Number.MAX_SAFE_INTEGER : 0;
      return { text, modifiedMs };
    },
  });
  t.true(asked.includes('/app/node_modules/shop/cache.cc'));
  t.deepEqual(head.sources.map(({ file }) => file).sort(), [
    'app.js',
    'node_modules/shop/image.cc',
  ]);
  const image = head.sources.find((one) => one.file.endsWith('image.cc'));
  t.is(image?.firstLine, 8);
  t.is(image?.lines[4], 'line 12  <b>');
});

test('an earlier trace is compared site by site, though lines moved and a site is new', async (t) => {
  const earlier = new ModelBuilder();
  const addon = '/app/node_modules/shop/shop.node';
  const at = (name: string, line: number) =>
    earlier.stack(`${addon} ${name}@/app/node_modules/shop/image.cc:${line} ${below}`);
  const cache = earlier.stack(
    `${addon} cache::put(Image*)@/app/node_modules/shop/cache.cc:70 ${below}`,
  );
  const gone = at('Old::gone()', 5);
  earlier
    .live('both', at('Image::Image()', 2), 30, 1)
    .live('both', cache, 40, 2)
    .live('both', gone, 9, 1);
  const model = earlier.build();
  const ids = liveStackIds(model);
  const symbols = await symbolize(model, ids, earlier.resolver(), { packageOf: lookup });
  const { data, head } = await reportOf(played(drawn(), run), {
    before: { model, traceName: 'old.mprof', symbols },
  });
  t.like(head.compared, { traceName: 'old.mprof', sizeBytes: 119, blockCount: 4 });
  const now = sumByGroup(data, sumBySite(data, select(data)));
  const before = sumByGroup(data, sumBefore(data, allPackages));
  const rows = [...now.bytes.keys()]
    .filter((group) => now.bytes[group] > 0 || before.bytes[group] > 0)
    .map((group) => [now.bytes[group], before.bytes[group]]);
  t.deepEqual(
    rows.sort((a, b) => b[0] - a[0]),
    [
      [1000, 0],
      [200, 30],
      [7, 80],
      [0, 9],
    ],
  );
  const tree = buildFlame(
    data,
    sumBySite(data, select(data)).bytes,
    { isInverted: false, isFolded: true },
    sumBefore(data, allPackages).bytes,
  );
  t.is(tree.total[0], 1207);
  t.is(tree.other[0], 119);
});
