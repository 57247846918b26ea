// What the agent says of V8's garbage collections, on every Node.
import { runInSession } from '../owners/support/session.js';
import { testOnEachNode } from './support/node-builds.js';

const [teardown, gc] = [1, 10];
const markCompact = 4;

testOnEachNode(
  "garbage collections are marked with their kind and pause, a Worker's too, until Node's teardown",
  async (t, node) => {
    const source = `const { Worker } = require('node:worker_threads');
      const worker = new Worker('gc(); gc();', { eval: true });
      worker.on('exit', () => { gc(); gc(); gc(); });`;
    const { status, log, stderr } = await runInSession(t, node, ['--expose-gc', '-e', source], {
      flags: 0,
    });
    t.is(status, 0, stderr);
    const marks = log
      .map((line) => /^mark (\d+) how=(\d+) code=(\d+)$/.exec(line)?.slice(1).map(Number))
      .filter((mark) => mark !== undefined);
    const collections = marks.filter(([kind]) => kind === gc);
    // "how" is the mark's upper word.
    const full = collections.filter(([, how]) => how! >>> 24 === markCompact);
    t.true(full.length >= 5, log.join('\n'));
    for (const [, how, pauseNs] of full) t.true((how! & 0xffffff) > 0 || pauseNs! > 0);
    t.deepEqual(marks.slice(marks.findIndex(([kind]) => kind === teardown) + 1), []);
  },
);
