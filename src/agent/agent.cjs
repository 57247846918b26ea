// Runs in the traced program by --require, before its code, in every Worker too. Tells the shim what
// Node it is in, has it listen to V8's code events, and lets the addon watch for the program's end.
//
// It must not show: it prints nothing, throws nothing, keeps nothing alive, leaves nothing in
// require.cache, and needs nothing of JavaScript once the program runs (whatever the program does to
// its globals later). Plain CommonJS without dependencies; must work in Node 20 and later.
'use strict';

// V8 makes no line tables for the code of these two compilers, and says of what TurboFan inlined the
// position, but not the function. NODE_OPTIONS may not name these flags. They are the whole process's,
// Workers included, and hold for everything compiled from now on.
function turnOffCodeWithoutLines() {
  const { setFlagsFromString } = require('node:v8');
  for (const flag of ['--no-sparkplug', '--no-maglev', '--no-turbo-inlining'])
    setFlagsFromString(flag);
}

function start() {
  // A start-up snapshot cannot hold an addon.
  if (process.execArgv.includes('--build-snapshot')) return;
  const { join } = require('node:path');
  const { isMainThread, threadId } = require('node:worker_threads');
  if (process.env.MEMPROF_EXACT_LINES === '1' && isMainThread) turnOffCodeWithoutLines();
  // Not require(): the addon stays out of require.cache.
  const addon = { exports: {} };
  process.dlopen(addon, join(__dirname, '..', '..', 'build', 'Release', 'memprof_agent.node'));
  addon.exports.start(
    JSON.stringify({
      nodeVersion: process.version,
      v8Version: process.versions.v8,
      threadId,
      isMainThread,
      execArgv: process.execArgv,
    }),
    isMainThread,
    samples(),
  );
}

// Objects whose insides the addon knows, for it to learn where V8 keeps what: interpose/agent/layout.h.
function samples() {
  const dictionary = Object.create(null);
  dictionary.key = 1;
  return [
    new Map([[1, 2]]),
    new Set([1]),
    new WeakMap([[dictionary, 1]]),
    dictionary,
    [1, 2, 3, 4, 5, 6, 7],
    globalThis,
    Buffer.prototype,
  ];
}

delete require.cache[__filename];
if (process.env.MEMPROF_SESSION) {
  try {
    start();
  } catch {
    // No addon, or addons are forbidden (--no-addons, the permission model): the program runs without
    // the agent. The reader notices that no agent reported and says so.
  }
}
