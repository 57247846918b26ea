import test from 'ava';
import { alikeStacks } from '../../src/report/index.js';
import type { NamedFrame, NamedStack } from '../../src/symbols/index.js';

const context = { isNode: true, executable: '/usr/bin/node', cwd: '/app' };
const owner = { kind: 'package', key: 'addon', module: null, package: null } as never;

function js(scope: string, line: number, lineIs: 'call' | 'function'): NamedFrame {
  return {
    kind: 'js',
    function: scope,
    file: '/app/app.js',
    line,
    column: 1,
    lineIs,
    scope,
    module: null,
    inlined: false,
    certainty: 'exact',
    near: null,
    offset: null,
  };
}

// Frames are interned by symbolize(): equal frames are one object.
const frames = {
  first: js('load', 11, 'call'),
  second: js('load', 12, 'call'),
  unplaced: js('load', 10, 'function'),
  main: js('main', 20, 'call'),
  mainUnplaced: js('main', 19, 'function'),
  other: js('store', 30, 'function'),
};
const stack = (...names: (keyof typeof frames)[]): NamedStack => ({
  frames: names.map((name) => frames[name]),
  owner,
  key: names.join(' '),
});

test('a stack that lacks a line joins the one that is otherwise equal and has it', (t) => {
  const placed = stack('first', 'main');
  const unplaced = stack('unplaced', 'main');
  const alike = alikeStacks([unplaced, placed], context);
  t.is(alike.keyOf(unplaced), alike.keyOf(placed));
  t.is(alike.shown(alike.keyOf(unplaced)), placed);
  t.true(alike.isWhole(placed));
  t.false(alike.isWhole(unplaced));
});

test('where two lines are possible it joins neither, and the two stay two', (t) => {
  const one = stack('first', 'main');
  const two = stack('second', 'main');
  const unplaced = stack('unplaced', 'main');
  const alike = alikeStacks([one, two, unplaced], context);
  t.is(new Set([one, two, unplaced].map(alike.keyOf)).size, 3);
  t.true(alike.isWhole(unplaced));
});

test('a line that is known rules out the stacks with another one', (t) => {
  const one = stack('first', 'main');
  const two = stack('second', 'mainUnplaced');
  const alike = alikeStacks([one, two], context);
  t.not(alike.keyOf(one), alike.keyOf(two));
});

test('another function is another stack', (t) => {
  const alike = alikeStacks([stack('first', 'main'), stack('other', 'main')], context);
  t.not(alike.keyOf(stack('first', 'main')), alike.keyOf(stack('other', 'main')));
});
