import { expectNoLeaks } from 'memprof/testing';
import { digest, digestFixed } from 'tiny-digest';
import { test } from 'vitest';

const bytes = new Uint8Array(1000);
// vitest gives a test five seconds; a failure takes longer while memprof reads symbols.
const timeout = 60_000;

test('digest frees what it allocates', { timeout }, () => expectNoLeaks(() => digest(bytes)));

test('digestFixed frees what it allocates', { timeout }, () =>
  expectNoLeaks(() => digestFixed(bytes)),
);
