import test, { type ExecutionContext } from 'ava';
import { buildProgram } from './support/build.js';
import {
  assertCalls,
  bareName,
  drawStack,
  type Site,
  siteOfSize,
  unfreed,
} from './support/report.js';
import { onlyTrace, runTraced, scratchFolder } from './support/run.js';

const markBytes = 100008;

async function stackOf(t: ExecutionContext, way: string, flags: readonly string[]): Promise<Site> {
  const program = await buildProgram('stacks.cc', flags);
  const folder = await scratchFolder(t);
  const outcome = await runTraced([program, way], { cwd: folder });
  t.is(outcome.code, 0, outcome.stderr);
  const report = await unfreed(t, await onlyTrace(t, folder));
  const site = siteOfSize(t, report, markBytes);
  return site;
}

function assertUnbroken(t: ExecutionContext, { frames, markers }: Site): void {
  t.deepEqual(markers, [], drawStack(frames));
}

const optimized = ['-O2', '-fno-builtin-malloc'];

const ways: Array<{ sentence: string; way: string; calls: string[] }> = [
  {
    sentence: 'std::string growth keeps its stack down to main',
    way: 'string',
    calls: ['reserve', 'grow_string', 'main'],
  },
  {
    sentence: 'std::map insertion keeps its stack down to main',
    way: 'map',
    calls: ['insert_in_map', 'main'],
  },
  {
    sentence: 'a comparison called by qsort keeps its stack through libc down to main',
    way: 'qsort',
    calls: ['allocate_mark', 'compare_and_allocate', 'sort_numbers', 'main'],
  },
  {
    sentence: 'std::call_once keeps its stack through pthread_once down to main',
    way: 'call_once',
    calls: ['allocate_mark', 'call_once_from_here', 'main'],
  },
  {
    sentence: 'a signal handler keeps the interrupted stack below it',
    way: 'signal',
    calls: ['allocate_mark', 'on_signal', 'spin_until_handled', 'interrupt_spinning', 'main'],
  },
  {
    sentence: 'a signal handler on its own stack keeps the interrupted stack below it',
    way: 'sigaltstack',
    calls: [
      'allocate_mark',
      'on_signal',
      'spin_until_handled',
      'interrupt_spinning',
      'interrupt_on_other_stack',
      'main',
    ],
  },
  {
    sentence: 'a destructor that runs while an exception is in flight keeps its stack',
    way: 'unwinding',
    calls: ['allocate_mark', '~AllocatesWhenUnwound', 'unwind_through', 'catch_something', 'main'],
  },
  {
    sentence: 'the exception object itself is found under the function that threw it',
    way: 'throw',
    calls: ['__cxa_allocate_exception', 'throw_big', 'catch_big', 'main'],
  },
  {
    sentence: 'a function that was left by longjmp and came back keeps its stack',
    way: 'longjmp',
    calls: ['allocate_mark', 'allocate_after_longjmp', 'main'],
  },
  {
    sentence: 'a frame whose size is known at run time only is walked',
    way: 'alloca',
    calls: ['allocate_mark', 'allocate_under_variable_frame', 'main'],
  },
  {
    sentence: 'a thread of its own ends in the function it was started with',
    way: 'thread',
    calls: ['allocate_mark', 'thread_body'],
  },
  {
    sentence: 'a stack of 200 frames is whole',
    way: 'shallow',
    calls: ['allocate_mark', ...new Array<string>(201).fill('recurse'), 'main'],
  },
];

for (const { sentence, way, calls } of ways) {
  test(sentence, async (t) => {
    const site = await stackOf(t, way, optimized);
    assertCalls(t, site.frames, calls);
    assertUnbroken(t, site);
  });
}

for (const [way, calls] of [
  ['string', ['reserve', 'grow_string', 'main']],
  ['map', ['insert_in_map', 'main']],
  ['throw', ['__cxa_allocate_exception', 'throw_big', 'catch_big', 'main']],
  ['call_once', ['allocate_mark', 'call_once_from_here', 'main']],
] as const) {
  test(`with libstdc++ linked statically the way "${way}" keeps its stack too`, async (t) => {
    const site = await stackOf(t, way, [...optimized, '-static-libstdc++', '-static-libgcc']);
    assertCalls(t, site.frames, calls);
    assertUnbroken(t, site);
  });
}

test('a stack deeper than the limit says that it is cut', async (t) => {
  const { frames, markers } = await stackOf(t, 'deep', optimized);
  assertCalls(t, frames, ['allocate_mark', ...new Array<string>(200).fill('recurse')]);
  t.is(markers.length, 1);
  t.is(markers[0]?.marker, 'cut');
  t.is(markers[0]?.at, frames.length, 'the cut is at the root side');
  t.false(frames.some((frame) => bareName(frame) === 'main'));
});

test('a coroutine on a stack of its own ends in its body and invents nothing above it', async (t) => {
  const { frames } = await stackOf(t, 'coroutine', optimized);
  assertCalls(t, frames, ['allocate_mark', 'allocate_in_coroutine', 'coroutine_body']);
  t.false(frames.some((frame) => bareName(frame) === 'recurse'));
});

test('code without unwind rows is walked through by reading it, and what that found is marked', async (t) => {
  const { frames, markers } = await stackOf(t, 'no-rows', optimized);
  assertCalls(t, frames, ['allocate_mark', 'allocate_under_code_without_rows', 'main']);
  t.deepEqual(markers, [], drawStack(frames));
  t.deepEqual(frames.filter((frame) => frame.recovered === true).length, 1, drawStack(frames));
});

test('a function that left by a tail call is not invented, and its caller is there', async (t) => {
  const { frames } = await stackOf(t, 'tail', optimized);
  assertCalls(t, frames, ['allocate_mark', 'tail_callee', 'call_tail_caller', 'main']);
  t.false(frames.some((frame) => bareName(frame) === 'tail_caller'));
});

test('a program without debug information or symbols shows module and offset, never a name', async (t) => {
  const { frames } = await stackOf(t, 'qsort', ['-O2', '-fno-builtin-malloc', '-g0', '-s']);
  const own = frames.filter((frame) => frame.module?.endsWith('/stacks'));
  t.true(own.length >= 4, drawStack(frames));
  for (const frame of own) t.is(frame.function, null, drawStack(frames));
});
