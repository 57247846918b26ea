// What a report says about a program without symbols: the nearest export, marked; else the place; and
// the whole truth as soon as a server has the debug file.
import { readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { run, runTraced, scratchFolder } from './support/run.js';

const source = `#include <stdlib.h>
extern "C" __attribute__((noinline)) int first_export(int n) { asm volatile("" : "+r"(n)); return n; }
static __attribute__((noinline)) void* hidden_keeper(int n) {
  void* kept = malloc(n);
  asm volatile("" : "+r"(kept));
  return kept;
}
int main(int count, char**) {
  void* kept = hidden_keeper(first_export(count * 1000));
  asm volatile("" : "+r"(kept));
  return 0;
}
`;

interface Program {
  path: string;
  debugPath: string;
}

async function strippedProgram(t: ExecutionContext, ...flags: string[]): Promise<Program> {
  const folder = await scratchFolder(t);
  const [path, debugPath] = [join(folder, 'keeper'), join(folder, 'elsewhere')];
  await writeFile(join(folder, 'keeper.cc'), source);
  for (const command of [
    [
      'g++',
      '-g',
      '-O1',
      '-fno-toplevel-reorder',
      '-Wl,--build-id',
      ...flags,
      join(folder, 'keeper.cc'),
      '-o',
      path,
    ],
    ['objcopy', '--only-keep-debug', path, debugPath],
    ['strip', path],
  ]) {
    const { code, stderr } = await run(command);
    t.is(code, 0, stderr);
  }
  return { path, debugPath };
}

async function report(
  t: ExecutionContext,
  { path }: Program,
  env: Record<string, string> = {},
): Promise<string> {
  const cache = await scratchFolder(t);
  const memprofOptions = ['-o', '/dev/null'];
  const outcome = await runTraced([path], {
    memprofOptions,
    env: { DEBUGINFOD_URLS: '', XDG_CACHE_HOME: cache, DEBUGINFOD_CACHE_PATH: cache, ...env },
  });
  t.is(outcome.code, 0, outcome.stderr);
  return outcome.stderr;
}

test('a stripped program shows its nearest export, marked as that', async (t) => {
  const text = await report(t, await strippedProgram(t, '-rdynamic'));
  t.regex(text, /^ +near first_export\+0x[0-9a-f]+ +keeper$/m);
  t.notRegex(text, /hidden_keeper/);
});

test('a stripped program without exports shows module and offset', async (t) => {
  const text = await report(t, await strippedProgram(t));
  t.regex(text, /^ +keeper\+0x[0-9a-f]+/m);
  t.notRegex(text, /hidden_keeper|first_export|near /);
});

test('a stripped program is named with the debug file that a server has', async (t) => {
  const program = await strippedProgram(t, '-rdynamic');
  const { stdout } = await run(['readelf', '-n', program.path]);
  const buildId = /Build ID: ([0-9a-f]+)/.exec(stdout)?.[1];
  const debugFile = await readFile(program.debugPath);
  const server = createServer((request, response) => {
    const isOurs = request.url === `/buildid/${buildId}/debuginfo`;
    response.writeHead(isOurs ? 200 : 404).end(isOurs ? debugFile : '');
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  t.teardown(() => server.close());
  const { port } = server.address() as AddressInfo;
  const text = await report(t, program, { DEBUGINFOD_URLS: `http://127.0.0.1:${port}` });
  t.regex(text, /^ +hidden_keeper +\S*keeper\.cc:4$/m);
  t.notRegex(text, /near |debug files/);
});

test('a server that is gone costs one line, not the report', async (t) => {
  const program = await strippedProgram(t, '-rdynamic');
  const server = createServer(() => {});
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const { port } = server.address() as AddressInfo;
  await new Promise((done) => server.close(done));
  const url = `http://127.0.0.1:${port}/`;
  const text = await report(t, program, { DEBUGINFOD_URLS: url });
  const lines = text.split('\n').filter((line) => line.includes('debug files'));
  t.is(lines.length, 1, text);
  t.true(
    lines[0].startsWith(`memprof: no debug files from ${url}: connect ECONNREFUSED`),
    lines[0],
  );
  t.regex(text, /near first_export/);
});
