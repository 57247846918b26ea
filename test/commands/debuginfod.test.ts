// Against a server on loopback: what it is asked, what is kept, and what happens when it misbehaves.
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { inspectExecutable, Symbolizer } from '../../src/native/index.js';
import {
  Debuginfod,
  type DebuginfodOptions,
  debuginfodOptions,
} from '../../src/query/debuginfod.js';
import { withDebuginfod } from '../../src/query/symbol-sources.js';
import {
  addressesOf,
  binutilsFrames,
  compile,
  ours,
  run,
  sameFrames,
  temporaryFolder,
} from '../native/programs.js';

interface Stripped {
  path: string;
  buildId: string;
  debugFile: Buffer;
  addresses: Float64Array;
  expected: string[][];
}

function strippedProgram(t: ExecutionContext): Stripped {
  const folder = temporaryFolder(t);
  const path = compile(folder, 'shop', ['-g', '-O2', '-Wl,--build-id']);
  const addresses = addressesOf(path, ours);
  const expected = binutilsFrames(path, addresses);
  const debugPath = join(folder, 'shop.debug');
  run('objcopy', '--only-keep-debug', path, debugPath);
  run('strip', path);
  const buildId = `${inspectExecutable(path).buildId}`;
  return { path, buildId, debugFile: readFileSync(debugPath), addresses, expected };
}

type Handler = (request: IncomingMessage, response: ServerResponse) => void;

/** The server's address, and the paths that it was asked for. */
async function serve(
  t: ExecutionContext,
  handler: Handler,
): Promise<{ url: string; asked: string[] }> {
  const asked: string[] = [];
  const server = createServer((request, response) => {
    asked.push(`${request.url}`);
    handler(request, response);
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, asked };
}

const notFound: Handler = (_request, response) => {
  response.writeHead(404).end('not found');
};

const sending =
  (bytes: Uint8Array): Handler =>
  (_request, response) => {
    response.end(bytes);
  };

function client(
  t: ExecutionContext,
  urls: string[],
  more: Partial<DebuginfodOptions> = {},
): [Debuginfod, string] {
  const cacheFolder = more.cacheFolder ?? join(temporaryFolder(t), 'cache');
  const options = {
    urls,
    stallMs: 90_000,
    totalMs: 300_000,
    largestBytes: 2 ** 31,
    ...more,
    cacheFolder,
  };
  return [new Debuginfod(options), cacheFolder];
}

test("a stripped module's names come from the server, and from the cache the next time", async (t) => {
  const program = strippedProgram(t);
  const { url, asked } = await serve(t, sending(program.debugFile));
  const [first, cacheFolder] = client(t, [`${url}/`]);
  const names = async (debuginfod: Debuginfod) => {
    const resolver = withDebuginfod(new Symbolizer({ debugFolders: [] }), debuginfod);
    const answers = await resolver.resolve(program.path, program.buildId, program.addresses);
    return { ...answers, hasSymbols: true, sources: [] };
  };
  sameFrames(t, await names(first), program.addresses, program.expected);
  t.deepEqual(asked, [`/buildid/${program.buildId}/debuginfo`]);
  t.deepEqual(readdirSync(join(cacheFolder, program.buildId)), ['debuginfo']);
  const [second] = client(t, [url], { cacheFolder });
  sameFrames(t, await names(second), program.addresses, program.expected);
  t.is(asked.length, 1);
  t.deepEqual([...first.warnings, ...second.warnings], []);
});

test('a module with symbols of its own is not asked for', async (t) => {
  const { url, asked } = await serve(t, notFound);
  const path = compile(temporaryFolder(t), 'shop', ['-O2', '-Wl,--build-id']);
  const [debuginfod] = client(t, [url]);
  const resolver = withDebuginfod(new Symbolizer({ debugFolders: [] }), debuginfod);
  await resolver.resolve(path, `${inspectExecutable(path).buildId}`, addressesOf(path, ours));
  t.deepEqual(asked, []);
});

test('what no server has is not asked for again until the miss is old', async (t) => {
  const { url, asked } = await serve(t, notFound);
  const other = await serve(t, notFound);
  const [debuginfod, cacheFolder] = client(t, [url, other.url]);
  t.is(await debuginfod.debugFile('00ff'), null);
  t.is(statSync(join(cacheFolder, '00ff', 'debuginfo')).size, 0);
  t.deepEqual([asked.length, other.asked.length], [1, 1]);
  const again = async (): Promise<void> => {
    const [next] = client(t, [url, other.url], { cacheFolder });
    t.is(await next.debugFile('00ff'), null);
  };
  await again();
  t.is(asked.length, 1);
  const longAgo = new Date(Date.now() - 601_000);
  utimesSync(join(cacheFolder, '00ff', 'debuginfo'), longAgo, longAgo);
  await again();
  t.is(asked.length, 2);
  writeFileSync(join(cacheFolder, 'cache_miss_s'), '0\n');
  await again();
  t.is(asked.length, 3);
  t.deepEqual(debuginfod.warnings, []);
});

test('the second server is asked when the first has nothing, or fails', async (t) => {
  const { buildId, debugFile } = strippedProgram(t);
  const nothing = await serve(t, notFound);
  const failing = await serve(t, (_request, response) => response.writeHead(503).end());
  const good = await serve(t, sending(debugFile));
  const [debuginfod, cacheFolder] = client(t, [nothing.url, failing.url, good.url]);
  t.is(await debuginfod.debugFile(buildId), join(cacheFolder, buildId, 'debuginfo'));
  t.deepEqual(debuginfod.warnings, [`no debug files from ${failing.url}/: HTTP status 503`]);
  // The one that failed is left alone from then on, and its failure is no miss.
  t.is(await debuginfod.debugFile('00ff'), null);
  t.deepEqual([nothing.asked.length, failing.asked.length, good.asked.length], [2, 1, 2]);
  t.false(existsSync(join(cacheFolder, '00ff', 'debuginfo')));
});

test('a file with another build id is thrown away', async (t) => {
  const { debugFile } = strippedProgram(t);
  for (const bytes of [debugFile, Buffer.from('<html>login</html>'), Buffer.alloc(0)]) {
    const { url } = await serve(t, sending(bytes));
    const [debuginfod, cacheFolder] = client(t, [url]);
    t.is(await debuginfod.debugFile('00ff'), null);
    t.deepEqual(readdirSync(join(cacheFolder, '00ff')), []);
    t.regex(
      debuginfod.warnings.join(),
      /^no debug files from .*: its file for 00ff is another one$/,
    );
  }
});

test('a damaged file in the cache is fetched anew', async (t) => {
  const { buildId, debugFile } = strippedProgram(t);
  const { url, asked } = await serve(t, sending(debugFile));
  const [debuginfod, cacheFolder] = client(t, [url]);
  mkdirSync(join(cacheFolder, buildId), { recursive: true });
  writeFileSync(join(cacheFolder, buildId, 'debuginfo'), debugFile.subarray(0, 30));
  const path = await debuginfod.debugFile(buildId);
  t.deepEqual(readFileSync(`${path}`), debugFile);
  t.is(asked.length, 1);
});

test('a connection that breaks in the middle leaves nothing behind', async (t) => {
  const { buildId, debugFile } = strippedProgram(t);
  const { url } = await serve(t, (_request, response) => {
    response.writeHead(200, { 'content-length': debugFile.length });
    response.write(debugFile.subarray(0, 100), () => response.destroy());
  });
  const [debuginfod, cacheFolder] = client(t, [url]);
  t.is(await debuginfod.debugFile(buildId), null);
  t.deepEqual(readdirSync(join(cacheFolder, buildId)), []);
  t.is(debuginfod.warnings.length, 1);
});

test('a server that says nothing is given up once, and so is one that stops in the middle', async (t) => {
  const { buildId, debugFile } = strippedProgram(t);
  const silent = await serve(t, () => {});
  const stopping = await serve(t, (_request, response) => {
    response.write(debugFile.subarray(0, 100));
  });
  const [debuginfod, cacheFolder] = client(t, [silent.url, stopping.url], { stallMs: 1000 });
  t.is(await debuginfod.debugFile(buildId), null);
  t.is(await debuginfod.debugFile('00ff'), null);
  // On a busy machine a request may be given up before it has arrived.
  t.true(silent.asked.length <= 1 && stopping.asked.length <= 1);
  t.deepEqual(debuginfod.warnings, [
    `no debug files from ${silent.url}/: nothing came for 1 s`,
    `no debug files from ${stopping.url}/: nothing came for 1 s`,
  ]);
  t.deepEqual(readdirSync(join(cacheFolder, buildId)), []);
});

test('slow drops have an end when the time for all files is up', async (t) => {
  const { buildId, debugFile } = strippedProgram(t);
  const { url } = await serve(t, (_request, response) => {
    let sent = 0;
    const timer = setInterval(() => response.write(debugFile.subarray(sent, ++sent)), 20);
    response.on('close', () => clearInterval(timer));
  });
  const [debuginfod] = client(t, [url], { stallMs: 60_000, totalMs: 300 });
  t.is(await debuginfod.debugFile(buildId), null);
  t.is(await debuginfod.debugFile('00ff'), null);
  t.deepEqual(debuginfod.warnings, [
    'fetching debug files took 0.3 s, no more is fetched (DEBUGINFOD_MAXTIME)',
  ]);
});

test('a file beyond the largest size is not fetched to its end', async (t) => {
  const { buildId, debugFile } = strippedProgram(t);
  const { url } = await serve(t, sending(debugFile));
  const [debuginfod] = client(t, [url], { largestBytes: 1000 });
  t.is(await debuginfod.debugFile(buildId), null);
  t.regex(debuginfod.warnings.join(), /more than 1000 bytes came$/);
});

test('a server that is not there and an address that is none are told without secrets', async (t) => {
  const server = createServer(notFound);
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const gone = new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  await new Promise((done) => server.close(done));
  gone.username = 'user';
  gone.password = 'secret';
  const [debuginfod] = client(t, [gone.href, 'ftp://127.0.0.1', 'nonsense']);
  t.is(await debuginfod.debugFile('00ff'), null);
  t.is(debuginfod.warnings.length, 3);
  t.notRegex(debuginfod.warnings.join(), /secret/);
  t.regex(debuginfod.warnings[0], /ECONNREFUSED/);
  t.regex(debuginfod.warnings[1], /only http and https/);
});

test('a cache that cannot be written costs one warning', async (t) => {
  const { url } = await serve(t, notFound);
  const folder = temporaryFolder(t);
  writeFileSync(join(folder, 'file'), '');
  chmodSync(join(folder, 'file'), 0o400);
  const [debuginfod] = client(t, [url], { cacheFolder: join(folder, 'file', 'cache') });
  t.is(await debuginfod.debugFile('00ff'), null);
  t.is(await debuginfod.debugFile('00fe'), null);
  t.is(debuginfod.warnings.length, 1);
  t.regex(debuginfod.warnings[0], /^debug files cannot be kept in /);
});

test('nothing that is not a build id becomes a part of an address or a path', async (t) => {
  const { url, asked } = await serve(t, notFound);
  const [debuginfod] = client(t, [url]);
  for (const wild of ['', 'zz', '../..', '00FF', '0', '00', 'ab/..']) {
    t.is(await debuginfod.debugFile(wild), null);
  }
  t.deepEqual(asked, []);
});

test('the environment decides as it does for elfutils', (t) => {
  t.is(debuginfodOptions({}), null);
  t.is(debuginfodOptions({ DEBUGINFOD_URLS: '  ' }), null);
  const environment = { DEBUGINFOD_URLS: 'http://a/  https://b', HOME: '/home/me' };
  t.deepEqual(debuginfodOptions(environment), {
    urls: ['http://a/', 'https://b'],
    cacheFolder: '/home/me/.cache/debuginfod_client',
    stallMs: 90_000,
    totalMs: 300_000,
    largestBytes: 2 ** 31,
  });
  const more = {
    ...environment,
    XDG_CACHE_HOME: '/x',
    DEBUGINFOD_TIMEOUT: '5',
    DEBUGINFOD_MAXTIME: '7',
  };
  const options = debuginfodOptions(more);
  t.deepEqual(
    [options?.cacheFolder, options?.stallMs, options?.totalMs],
    ['/x/debuginfod_client', 5000, 7000],
  );
  t.is(debuginfodOptions({ ...more, DEBUGINFOD_CACHE_PATH: '/d' })?.cacheFolder, '/d');
});
