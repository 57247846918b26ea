import test from 'ava';
import fc from 'fast-check';
import { MemprofError } from '../../src/errors.js';
import {
  decodeKeys,
  firstState,
  parseAnswer,
  parseRequest,
  requestOf,
} from '../../src/live/index.js';

const orOwnError = (parse: (line: string) => unknown) => (line: string) => {
  try {
    parse(line);
    return true;
  } catch (error) {
    return error instanceof MemprofError;
  }
};

test('whatever the other end sends is understood or refused', (t) => {
  const fields = [
    'version',
    'kind',
    'sort',
    'filter',
    'total',
    'sites',
    'packages',
    'stack',
    'pid',
  ];
  const messages = fc.oneof(
    fc.string(),
    fc.json(),
    fc
      .dictionary(fc.constantFrom(...fields), fc.jsonValue())
      .map((message) => JSON.stringify({ version: 1, kind: 'figures', ...message })),
  );
  fc.assert(fc.property(messages, orOwnError(parseAnswer)));
  fc.assert(fc.property(messages, orOwnError(parseRequest)));
  t.pass();
});

test('a request is read back as it was', (t) => {
  const request = requestOf({ ...firstState, filter: 'ä/"x' }, 12, { columns: 80, rows: 24 });
  t.deepEqual(parseRequest(JSON.stringify(request)), request);
});

test('an answer of another version names the way out', (t) => {
  const error = t.throws(() => parseAnswer('{"kind":"none","version":2}'), {
    instanceOf: MemprofError,
  });
  t.is(error.code, 'ERR_MEMPROF_LIVE_VERSION');
});

test('keys are told from the sequences around them', (t) => {
  t.deepEqual(
    decodeKeys('j\x1b[A\x1bOB\x1b[99;5uä\x7f\r\x1b').map((key) =>
      key.kind === 'text' ? key.text : key.kind,
    ),
    ['j', 'up', 'down', 'ä', 'erase', 'enter', 'escape'],
  );
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (input) =>
      decodeKeys(input).every((key) => key.kind !== 'text' || !/[\u0000-\u001f]/.test(key.text)),
    ),
  );
});
