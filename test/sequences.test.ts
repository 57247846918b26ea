import test from 'ava';
import fc from 'fast-check';
import { Sequences } from '../src/sequences.js';

test('sequences have equal numbers exactly when they are equal, however many there are', (t) => {
  const element = fc.oneof(fc.nat(3), fc.nat(2 ** 31 - 1));
  fc.assert(
    fc.property(fc.array(fc.array(element, { maxLength: 12 }), { maxLength: 60 }), (lists) => {
      const sequences = new Sequences();
      const numberOf = (list: number[]) =>
        list.reduce((sequence, one) => sequences.with(sequence, one), Sequences.empty);
      const byNumber = new Map<number, string>();
      const byText = new Map<string, number>();
      for (const list of [...lists, ...lists]) {
        const number = numberOf(list);
        const text = list.join();
        t.is(byNumber.get(number) ?? text, text);
        t.is(byText.get(text) ?? number, number);
        byNumber.set(number, text);
        byText.set(text, number);
      }
    }),
  );
});

test('numbers stay what they are while the table grows', (t) => {
  const sequences = new Sequences();
  const first = Array.from({ length: 50_000 }, (_, at) => sequences.with(at % 7, at));
  t.is(new Set(first).size, first.length);
  t.deepEqual(
    first.map((_, at) => sequences.with(at % 7, at)),
    first,
  );
});
