import test from 'node:test';
import { expectNoLeaks } from 'memprof/testing';
import { digest, digestFixed } from 'tiny-digest';

const bytes = new Uint8Array(1000);

test('digest frees what it allocates', () => expectNoLeaks(() => digest(bytes)));

test('digestFixed frees what it allocates', () => expectNoLeaks(() => digestFixed(bytes)));
