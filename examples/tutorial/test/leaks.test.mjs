import assert from 'node:assert';
import test from 'node:test';
import { expectNoLeaks } from 'memprof/testing';
import { parseTrack } from '../index.js';

test('a good track leaves nothing behind', () =>
  expectNoLeaks(() => parseTrack('53.55,9.99;53.56,10.01')));

test('a broken track leaves nothing behind', () =>
  expectNoLeaks(() => assert.throws(() => parseTrack('53.55,9.99;53.56'), /two numbers/)));
