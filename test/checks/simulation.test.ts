// Leaks and clean functions as simulated series: what is promised of expectNoLeaks, over many seeds.
import test from 'ava';
import { ResourceKind } from '../../src/model/index.js';
import { randomOf, type SimulatedSite, simulate, site } from './support/simulation.js';

const seeds = Array.from({ length: 60 }, (_one, at) => at + 1);

const leaks: Record<string, (verdict: SimulatedSite['verdict']) => SimulatedSite> = {
  'a block of every call': (verdict) => site((count) => count + 1, { verdict }),
  'a block of every tenth call': (verdict) =>
    site((count, call) => count + Number(call % 10 === 0), { verdict }),
  'a block of one call in ten, by chance': (verdict) =>
    site((count, _call, random) => count + Number(random() < 0.1), { verdict }),
  'twenty blocks of one call in ten, by chance': (verdict) =>
    site((count, _call, random) => count + 20 * Number(random() < 0.1), { verdict }),
  'a block of every call beside a cache that fills': (verdict) =>
    site((count, call) => count + 1 + Number(call < 300), { verdict }),
  'a block of one call in ten, with noise': (verdict) => {
    let kept = 0;
    return site(
      (_count, _call, random) => {
        kept += Number(random() < 0.1);
        return kept + Math.floor(3 * random());
      },
      { verdict },
    );
  },
};

for (const [name, make] of Object.entries(leaks)) {
  for (const verdict of ['lost', 'held'] as const) {
    for (const msPerCall of [0.05, 1]) {
      test(`a leak is found: ${name}, ${verdict}, ${msPerCall} ms a call`, (t) => {
        for (const seed of seeds) {
          const { judgement, elapsedMs } = simulate([make(verdict)], { seed, msPerCall });
          t.is(judgement.decision, 'leak', `seed ${seed}`);
          t.is(judgement.leaks[0].because, verdict, `seed ${seed}`);
          t.true(elapsedMs < 5000, `seed ${seed}: ${elapsedMs} ms`);
        }
      });
    }
  }
}

/** Coupons, LRUs, doubling, one-offs, noise: what people's clean functions do. */
const clean: Record<string, () => SimulatedSite> = {
  'nothing at all': () => site(() => 0),
  'a cache with a slot for each of 64 keys': () => coupons(64),
  'a cache with a slot for each of 256 keys': () => coupons(256),
  'a cache with a slot for each of 1,000 keys': () => coupons(1000),
  'a list of the last 100': () => site((count) => Math.min(100, count + 1)),
  'a list of the last 300': () => site((count) => Math.min(300, count + 1)),
  'a list of the last 1,000': () => site((count) => Math.min(1000, count + 1)),
  'tables that are made when first needed': () =>
    site((count, call, random) => count + Number(random() < 0.5 * 0.98 ** call)),
  'one thing made late': () => site((count, call) => count + 7 * Number(call === 230)),
  'things made late, three times': () =>
    site((count, call) => count + 5 * Number(call === 120 || call === 200 || call === 260)),
  'work that is under way': () => site((_count, _call, random) => Math.floor(6 * random())),
  'much work that is under way': () => site((_count, _call, random) => Math.floor(100 * random())),
  'a pool that breathes': () => site((_count, call) => Math.round(20 + 20 * Math.sin(call / 37))),
  'a queue whose finalizers lag': () => {
    let lag = 0;
    return site((_count, call, random) => {
      lag = call % 60 === 59 ? Math.floor(10 * random()) : lag + 1;
      return lag;
    });
  },
};

function coupons(slots: number): SimulatedSite {
  return site((count, _call, random) => count + Number(random() > count / slots));
}

for (const [name, make] of Object.entries(clean)) {
  test(`no false alarm: ${name}`, (t) => {
    let longestMs = 0;
    for (const seed of seeds) {
      for (const msPerCall of [0.05, 1]) {
        const { judgement, elapsedMs } = simulate([make()], { seed, msPerCall });
        t.not(judgement.decision, 'leak', `seed ${seed}, ${msPerCall} ms: ${name}`);
        longestMs = Math.max(longestMs, elapsedMs);
      }
    }
    t.true(longestMs < 6000, `${longestMs} ms`);
  });
}

test('no false alarm in processes of sixty noisy sites, and the leak among them is found', (t) => {
  for (const seed of seeds.slice(0, 20)) {
    const random = randomOf(seed + 1000);
    const noisy = () => {
      const width = 1 + Math.floor(40 * random());
      const kinds = [
        () => site((_count, _call, any) => Math.floor(width * any())),
        () => coupons(width * 5),
        () => site((count, call) => count + Number(call === width * 4)),
      ];
      return kinds[Math.floor(kinds.length * random())]();
    };
    const sites = Array.from({ length: 60 }, noisy);
    const { judgement } = simulate(sites, { seed });
    t.not(judgement.decision, 'leak', `seed ${seed}`);
    const leaking = [
      ...Array.from({ length: 60 }, noisy),
      leaks['a block of every tenth call']('lost'),
    ];
    const found = simulate(leaking, { seed }).judgement;
    t.is(found.decision, 'leak', `seed ${seed}`);
    t.is(found.leaks.length, 1, `seed ${seed}`);
    t.is(found.leaks[0].because, 'lost', `seed ${seed}`);
  }
});

test('a vector that doubles is no leak: bytes jump, the count does not', (t) => {
  const vector = (): SimulatedSite => {
    let [length, capacity] = [0, 1];
    return {
      call: () => {
        if (++length > capacity) capacity *= 2;
      },
      blocks: () => 1,
      bytes: () => 16 * capacity,
      verdict: 'held',
    };
  };
  for (const msPerCall of [0.05, 1])
    t.not(simulate([vector()], { msPerCall }).judgement.decision, 'leak');
});

test('a block that grows with every call is a leak', (t) => {
  let calls = 0;
  const grown: SimulatedSite = {
    call: () => {
      calls++;
    },
    blocks: () => 1,
    bytes: () => 16 * calls,
    verdict: 'held',
  };
  const { judgement } = simulate([grown]);
  t.is(judgement.decision, 'leak');
  t.true(judgement.leaks[0].growth.isByBytes);
  t.is(judgement.leaks[0].growth.perIteration.bytes, 16);
});

test("Node's own sites are leaks only where objects hold them, or where every call adds the same", (t) => {
  const chance = (facts: Partial<SimulatedSite>) =>
    site((count, _call, random) => count + Number(random() < 0.3), { isRuntime: true, ...facts });
  t.is(simulate([chance({ verdict: 'held' })]).judgement.decision, 'leak');
  t.is(simulate([chance({ verdict: 'lost' })]).judgement.decision, 'clean');
  const exact = site((count) => count + 1, { isRuntime: true, verdict: 'lost' });
  t.is(simulate([exact]).judgement.decision, 'leak');
});

test('what waits for its finalizer is no leak', (t) => {
  const waiting = site((count) => count + 1, { verdict: 'pending' });
  t.is(simulate([waiting]).judgement.decision, 'clean');
});

test('what is tolerated passes, what is above it does not', (t) => {
  const decision = (tolerance: { blocks: number | null; bytes: number | null }) =>
    simulate([leaks['a block of every call']('lost')], { watch: { tolerance } }).judgement.decision;
  t.is(decision({ blocks: null, bytes: 16 }), 'clean');
  t.is(decision({ blocks: null, bytes: 15 }), 'leak');
  t.is(decision({ blocks: 1, bytes: null }), 'clean');
  t.is(decision({ blocks: 0.9, bytes: null }), 'leak');
  t.is(decision({ blocks: 1, bytes: 8 }), 'leak');
});

test('a clean function of 1 ms has its verdict in five rounds, within a second', (t) => {
  const { judgement, roundCount, elapsedMs, checkpointCount } = simulate([site(() => 0)]);
  t.is(judgement.decision, 'clean');
  t.is(roundCount, 5);
  t.is(checkpointCount, 0);
  t.true(elapsedMs < 1000, `${elapsedMs}`);
});

test('a size of rounds that was asked for is kept, and a leak is found with it', (t) => {
  const { judgement, callCount, roundCount } = simulate([leaks['a block of every call']('held')], {
    warmup: 10,
    watch: { iterations: 20, minRounds: 6 },
  });
  t.is(judgement.decision, 'leak');
  t.is(callCount, 10 + 20 * roundCount);
});

test('it ends by itself, whatever the numbers are', (t) => {
  for (const seed of seeds) {
    const random = randomOf(seed);
    const wild = () => site((count) => count + Math.floor(5 * random() * random() - 0.6));
    const { roundCount } = simulate([wild(), wild(), wild()], { seed, msPerCall: 5 * random() });
    t.true(roundCount <= 40, `seed ${seed}: ${roundCount}`);
  }
});

test('references that are never deleted are a leak, those of a bounded pool are none', (t) => {
  const references = (rule: (count: number) => number) => ({
    ...site(rule),
    resource: { kind: ResourceKind.reference, value: () => 0 },
  });
  const { judgement } = simulate([references((count) => count + 1)]);
  t.is(judgement.decision, 'leak');
  t.is(judgement.leaks[0].growth.resource?.kind, ResourceKind.reference);
  t.is(judgement.leaks[0].growth.perIteration.blocks, 1);
  t.is(simulate([references((count) => Math.min(100, count + 1))]).judgement.decision, 'clean');
});

/** Every call, one of a hundred places: each is below what is promised. */
function spread(classNameOf: (place: number) => string, most = Infinity): SimulatedSite[] {
  return Array.from({ length: 100 }, (_one, place) =>
    site((count, call) => count + Number((call * 37) % 100 === place && call < most), {
      className: classNameOf(place),
    }),
  );
}

test('what a hundred places leak in turn is a leak of the class that holds it', (t) => {
  const { judgement } = simulate(spread(() => 'Canvas'));
  t.is(judgement.decision, 'leak');
  t.deepEqual(
    judgement.leaks.map(({ growth, because }) => [growth.what, growth.key, because]),
    [['class', 'Canvas', 'held']],
  );
  t.is(judgement.leaks[0].growth.perIteration.blocks, 1);
  t.is(judgement.leaks[0].growth.stackIds.length, 100);
});

test('a class that gets no more, and places whose objects have nothing in common, are none', (t) => {
  t.is(simulate(spread(() => 'Canvas', 200)).judgement.decision, 'clean');
  t.not(simulate(spread((place) => `Class${place}`)).judgement.decision, 'leak');
});

test('a call that V8 inlines for some of the rounds keeps its reference every time: one leak, of all rounds', (t) => {
  const inlined = (call: number) => call >= 650 && call < 750;
  const partOf = (isInlined: boolean): SimulatedSite => {
    return site((count, call) => count + Number(inlined(call) === isInlined), {
      resource: { kind: ResourceKind.reference, value: () => 0 },
      native: 'refer',
    });
  };
  const { judgement } = simulate([partOf(false), partOf(true)], {
    watch: { iterations: 100 },
  });
  t.is(judgement.decision, 'leak');
  t.is(judgement.leaks.length, 1);
  t.deepEqual(judgement.leaks[0].growth.perIteration.blocks, 1);
  t.is(judgement.leaks[0].growth.stackIds.length, 2);
});

test('external memory counts for the whole process: what one place tells V8 of, another takes back', (t) => {
  const told = (sign: 1 | -1): SimulatedSite => {
    let calls = 0;
    return {
      call: () => {
        calls++;
      },
      blocks: () => 1,
      verdict: 'held',
      resource: { kind: ResourceKind.externalMemory, value: () => sign * 1000 * calls },
    };
  };
  t.is(simulate([told(1), told(-1)]).judgement.decision, 'clean');
  const { judgement } = simulate([told(1)]);
  t.is(judgement.decision, 'leak');
  t.is(judgement.leaks[0].growth.perIteration.bytes, 1000);
});

test('without a checkpoint longer rounds decide', (t) => {
  const { judgement, checkpointCount, elapsedMs } = simulate([site((count) => count + 1)], {
    noCheckpoints: true,
  });
  t.is(judgement.decision, 'leak');
  t.true(checkpointCount > 0);
  t.true(elapsedMs < 6000, `${elapsedMs} ms`);
});
