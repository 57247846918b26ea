// What V8 made of our bundle, kept between runs: compiling it takes 20 to 30 ms of each start, while the user's
// program waits or its report does. Node does this by itself from 22.1 on, but only if asked for before the first
// module, and without what was compiled later. Whatever is wrong with the file, the bundle is compiled.
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Script } from 'node:vm';
import { ownCacheFolder } from '../cache-folder.js';

/** scripts/bundle.mjs puts a hash of all parts in its place: V8 itself compares no more than their length. */
const bundle = 'HASH_OF_THE_BUNDLE';
/** Files of other versions of Node and of memprof stay until there are so many. */
const mostFiles = 12;

type Parts = Map<string, Buffer>;
type Checksum = (bytes: Uint8Array) => number;
type Handler = (module: NodeJS.Module, fileName: string) => void;

/**
 * From here on the parts of the bundle come from the cache of `command`. It is written at the end of a process
 * that loaded the part `worthKeeping` (its code has run by then) and found something missing.
 */
export function keepCode(command: string, worthKeeping: string): void {
  const environment = process.env;
  const caches = ownCacheFolder(environment);
  // With coverage, V8 is to compile everything itself.
  if (
    caches === null ||
    environment['NODE_DISABLE_COMPILE_CACHE'] ||
    environment['NODE_V8_COVERAGE']
  )
    return;
  const load = createRequire(import.meta.url);
  const ownFolder = dirname(fileURLToPath(import.meta.url));
  const checksum = nativeChecksum(load, ownFolder);
  if (checksum === null) return;
  const folder = join(caches, 'code');
  const file = join(folder, `${command}-${bundle}-${nodeKey(environment)}`);
  const known = readParts(file, checksum);
  const loaded = new Map<string, Script>();
  let isNew = false;

  const usual = load.extensions['.js'] as Handler;
  load.extensions['.cjs'] = (module: NodeJS.Module, fileName: string) => {
    if (dirname(fileName) !== ownFolder) return usual(module, fileName);
    const source = readFileSync(fileName, 'utf8');
    // Of the user's modules (a configuration): Node 20 finds none from a script of vm.
    if (source.includes('import(')) return usual(module, fileName);
    const part = basename(fileName, '.cjs');
    const cachedData = known.get(part);
    const script = new Script(wrapped(source), {
      filename: fileName,
      // So that places are those of the file.
      columnOffset: -head.length,
      ...(cachedData === undefined ? {} : { cachedData }),
    });
    isNew ||= cachedData === undefined || script.cachedDataRejected === true;
    loaded.set(part, script);
    const run = script.runInThisContext() as (...values: unknown[]) => void;
    const requireHere = (id: string): unknown => module.require(id);
    run.call(module.exports, module.exports, requireHere, module, fileName, ownFolder);
  };
  process.on('exit', () => {
    if (!isNew || !loaded.has(worthKeeping)) return;
    const parts = new Map(known);
    try {
      // First of all: without a place for it there is no point in making it.
      mkdirSync(folder, { recursive: true, mode: 0o700 });
      for (const [part, script] of loaded) parts.set(part, script.createCachedData());
      writeParts(file, parts, checksum);
      dropOthers(folder, basename(file));
    } catch {
      // A full disk, a home that cannot be written: the next run compiles as this one did.
    }
  });
}

const head = '(function(exports,require,module,__filename,__dirname){';
const wrapped = (source: string): string => `${head}${source}\n})`;

/** Of Rust: V8 takes damaged data for good and crashes. Null: memprof is not built. */
function nativeChecksum(load: NodeJS.Require, ownFolder: string): Checksum | null {
  try {
    const path = join(ownFolder, '..', '..', 'src', 'native', 'memprof.node');
    return (load(path) as { crc32: Checksum }).crc32;
  } catch {
    return null;
  }
}

/** Flags change what V8 makes of a source, and it then takes nothing that was made with others. */
function nodeKey(environment: NodeJS.ProcessEnv): string {
  const flags = `${process.execArgv.join(' ')} ${environment['NODE_OPTIONS'] ?? ''}`;
  let hash = 0;
  for (let at = 0; at < flags.length; at++) hash = (Math.imul(hash, 31) + flags.charCodeAt(at)) | 0;
  return `${process.version}-${process.arch}-${(hash >>> 0).toString(16)}`;
}

// The file: CRC-32 of what follows, bytes of the directory, the directory (JSON: name to offset and length, from the
// directory's end, in multiples of 8), the parts.
const headBytes = 8;
const aligned = (bytes: number): number => Math.ceil(bytes / 8) * 8;

function readParts(file: string, checksum: Checksum): Parts {
  const parts: Parts = new Map();
  try {
    const bytes = readFileSync(file);
    if (bytes.length < headBytes || bytes.readUInt32LE(0) !== checksum(bytes.subarray(4)))
      return parts;
    const base = headBytes + bytes.readUInt32LE(4);
    const directory = JSON.parse(bytes.toString('utf8', headBytes, base)) as [
      string,
      number,
      number,
    ][];
    for (const [part, offset, length] of directory)
      parts.set(part, bytes.subarray(base + offset, base + offset + length));
  } catch {
    // Not there yet, most often.
  }
  return parts;
}

function writeParts(file: string, parts: Parts, checksum: Checksum): void {
  const directory: [string, number, number][] = [];
  let length = 0;
  for (const [part, data] of parts) {
    directory.push([part, length, data.length]);
    length += aligned(data.length);
  }
  const text = JSON.stringify(directory);
  const base = aligned(headBytes + text.length);
  const bytes = Buffer.alloc(base + length);
  bytes.write(text.padEnd(base - headBytes), headBytes);
  bytes.writeUInt32LE(base - headBytes, 4);
  for (const [part, offset] of directory) bytes.set(parts.get(part) as Buffer, base + offset);
  bytes.writeUInt32LE(checksum(bytes.subarray(4)), 0);
  const unfinished = `${file}.${process.pid}.part`;
  writeFileSync(unfinished, bytes, { mode: 0o600 });
  renameSync(unfinished, file);
}

/** Which are older is not asked: what is missing is made again. */
function dropOthers(folder: string, kept: string): void {
  const others = readdirSync(folder).filter((name) => name !== kept);
  if (others.length < mostFiles) return;
  for (const name of others) rmSync(join(folder, name), { force: true });
}
