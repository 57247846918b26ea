const { expectNoLeaks } = require('memprof/testing');
const { digest, digestFixed } = require('tiny-digest');

const bytes = new Uint8Array(1000);
// jest gives a test five seconds; a failure takes longer while memprof reads symbols.
jest.setTimeout(60_000);

test('digest frees what it allocates', () => expectNoLeaks(() => digest(bytes)));

test('digestFixed frees what it allocates', () => expectNoLeaks(() => digestFixed(bytes)));
