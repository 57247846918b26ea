import test from 'ava';
import { expectNoLeaks } from 'memprof/testing';
import { digest, digestFixed } from 'tiny-digest';

const bytes = new Uint8Array(1000);

// One after the other: two at once would count each other's memory.
test.serial('digest frees what it allocates', async (t) => {
  await expectNoLeaks(() => digest(bytes));
  t.pass();
});

test.serial('digestFixed frees what it allocates', async (t) => {
  await expectNoLeaks(() => digestFixed(bytes));
  t.pass();
});
