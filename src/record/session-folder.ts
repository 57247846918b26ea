// The session's private folder in memory-backed storage: found, made, swept.
import { randomBytes } from 'node:crypto';
import {
  closeSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmdirSync,
  rmSync,
  statfsSync,
  statSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MemprofError } from '../errors.js';
import * as native from '../native/index.js';
import {
  Magic,
  maxFrames as maxFramesLimit,
  pageBytes,
  SessionFlag,
  SessionHeader,
  wireAbi,
} from './wire.js';

export interface RingSizes {
  firstRingBytes: number;
  ringBytes: number;
  metaBytes: number;
}

// interpose/launch/session.cc has the same figures.
const defaultSizes: RingSizes = { firstRingBytes: 4 << 20, ringBytes: 1 << 20, metaBytes: 1 << 20 };
/** Where there is plenty: Node as the program fills most of it before Node as the reader is at work. */
const ampleFirstRingBytes = 16 << 20;
const minRingBytes = 256 << 10;
/** So many times what is needed: then nobody asks the kernel to reserve it on trial. */
const ampleFactor = 32;
/** A process with a few threads, its stack table's first chunks and a child or two. */
const roomForRings = 6;
const stackChunkBytes = 1 << 20;
const stackChunks = 4;

export interface SessionFolder {
  path: string;
  /** Holds the session's lock: see wire.h. */
  lockDescriptor: number;
}

interface SessionSettings {
  maxFrames: number;
  /** SessionFlag. */
  flags: number;
}

/** Memory first; the temporary folder is a disk in most places, but better than nothing. */
export function candidateFolders(): string[] {
  const uid = process.getuid?.() ?? 0;
  const folders = [
    '/dev/shm',
    process.env['XDG_RUNTIME_DIR'],
    `/run/user/${uid}`,
    ...mountedTmpfs(),
    tmpdir(),
  ];
  return [
    ...new Set(folders.filter((folder): folder is string => folder !== undefined && folder !== '')),
  ];
}

function mountedTmpfs(): string[] {
  let mounts: string;
  try {
    mounts = readFileSync('/proc/self/mounts', 'utf8');
  } catch {
    // Without /proc there are still the usual places.
    return [];
  }
  const folders = mounts.split('\n').map((line) => line.split(' '));
  // Only where programs put files anyway, not /sys/fs/cgroup, /run/lock and the like.
  const isUsual = (folder: string) => /^\/(tmp|var\/tmp|mnt|run\/shm)(\/|$)/.test(folder);
  return folders
    .filter(([, folder, type]) => type === 'tmpfs' && isUsual(folder ?? ''))
    .map(([, folder]) => folder ?? '');
}

/** Sockets of those who watch from another terminal: watcher-socket.ts. */
export const watcherPrefix = 'live.';

export function makeSessionFolder(
  wanted: Partial<RingSizes> & { maxFrames?: number; sessionFlags?: number },
  candidates = candidateFolders(),
): SessionFolder {
  const tried: string[] = [];
  for (const candidate of candidates) {
    let why = '';
    const hasAmpleRoom = freeBytes(candidate) > ampleFactor * neededBytes(defaultSizes);
    const preferred = hasAmpleRoom ? { firstRingBytes: ampleFirstRingBytes, ...wanted } : wanted;
    for (const sizes of sizesToTry(preferred)) {
      try {
        const settings = {
          maxFrames: wanted.maxFrames ?? maxFramesLimit,
          flags: wanted.sessionFlags ?? SessionFlag.checkpointExit,
        };
        return makeIn(candidate, sizes, settings, hasAmpleRoom);
      } catch (error) {
        const code = error instanceof Error && 'code' in error ? String(error.code) : '';
        if (code !== 'ENOSPC') {
          why = code === '' ? String(error) : code;
          break;
        }
        // Of the sizes tried the last is the least that would do.
        why = `less than ${Math.ceil(neededBytes(sizes) / (1 << 20))} MiB free`;
      }
    }
    tried.push(`${candidate}: ${why}`);
  }
  throw new MemprofError(
    'ERR_MEMPROF_NO_SHARED_MEMORY',
    `no place for the memory shared with the program (${tried.join('; ')}). Free some space there, or set XDG_RUNTIME_DIR to a folder on a tmpfs (docker: --shm-size=256m).`,
  );
}

function* sizesToTry(wanted: Partial<RingSizes>): Generator<RingSizes> {
  let sizes = {
    firstRingBytes: wanted.firstRingBytes ?? defaultSizes.firstRingBytes,
    ringBytes: wanted.ringBytes ?? defaultSizes.ringBytes,
    metaBytes: wanted.metaBytes ?? defaultSizes.metaBytes,
  };
  while (true) {
    yield sizes;
    const halved = (bytes: number) => Math.min(bytes, Math.max(minRingBytes, bytes / 2));
    const smaller = {
      firstRingBytes: halved(sizes.firstRingBytes),
      ringBytes: halved(sizes.ringBytes),
      metaBytes: halved(sizes.metaBytes),
    };
    if (neededBytes(smaller) === neededBytes(sizes)) return;
    sizes = smaller;
  }
}

function neededBytes(sizes: RingSizes): number {
  return (
    sizes.firstRingBytes +
    roomForRings * sizes.ringBytes +
    sizes.metaBytes +
    stackChunks * stackChunkBytes
  );
}

/** 0 where it cannot be known. */
function freeBytes(folder: string): number {
  try {
    const { bavail, bsize } = statfsSync(folder);
    return bavail * bsize;
  } catch {
    // Not there, or not ours: makeIn() says so.
    return 0;
  }
}

function makeIn(
  parent: string,
  sizes: RingSizes,
  settings: SessionSettings,
  hasAmpleRoom: boolean,
): SessionFolder {
  const name = `memprof-${process.getuid?.() ?? 0}-${process.pid}-${randomBytes(6).toString('hex')}`;
  // Under a dot name until it is locked, so that no sweep takes it for a dead one.
  const temporary = join(parent, `.${name}`);
  mkdirSync(temporary, { mode: 0o700 });
  try {
    if (!hasAmpleRoom) {
      // The kernel decides whether there is room: free space of a tmpfs may be shared and limited.
      const probe = join(temporary, 'probe');
      native.reserveFile(probe, neededBytes(sizes));
      unlinkSync(probe);
    }
    const file = join(temporary, 'session');
    native.reserveFile(file, pageBytes);
    writeSessionHeader(file, sizes, settings);
    const lockDescriptor = native.lockFile(file);
    const path = join(parent, name);
    renameSync(temporary, path);
    return { path, lockDescriptor };
  } catch (error) {
    rmSync(temporary, { recursive: true, force: true });
    throw error;
  }
}

function writeSessionHeader(path: string, sizes: RingSizes, settings: SessionSettings): void {
  const bytes = new Uint8Array(pageBytes);
  const view = new DataView(bytes.buffer);
  view.setBigUint64(SessionHeader.magic, Magic.session, true);
  view.setUint32(SessionHeader.abi, wireAbi, true);
  view.setUint32(SessionHeader.headerBytes, pageBytes, true);
  view.setUint32(SessionHeader.readerPid, process.pid, true);
  view.setUint32(SessionHeader.firstRingBytes, sizes.firstRingBytes, true);
  view.setUint32(SessionHeader.ringBytes, sizes.ringBytes, true);
  view.setUint32(SessionHeader.metaBytes, sizes.metaBytes, true);
  view.setUint32(SessionHeader.maxFrames, settings.maxFrames, true);
  view.setUint32(SessionHeader.flags, settings.flags, true);
  const descriptor = openSync(path, 'r+');
  try {
    writeSync(descriptor, bytes, 0, bytes.length, 0);
  } finally {
    closeSync(descriptor);
  }
}

export function removeSessionFolder({ path, lockDescriptor }: SessionFolder): void {
  try {
    // Nearly always only files are left: for more, Node has to load how to remove it.
    for (const name of readdirSync(path)) unlinkSync(join(path, name));
    rmdirSync(path);
  } catch {
    rmSync(path, { recursive: true, force: true });
  }
  native.unlockFile(lockDescriptor);
}

/** Removes what killed sessions of this user left behind. Returns the folders. */
export function sweepDeadSessions(candidates = candidateFolders()): string[] {
  const swept: string[] = [];
  const prefix = `memprof-${process.getuid?.() ?? 0}-`;
  for (const candidate of candidates) {
    for (const name of namesIn(candidate)) {
      const isHalfMade = name.startsWith(`.${prefix}`);
      if (!isHalfMade && !name.startsWith(prefix)) continue;
      const path = join(candidate, name);
      if (isHalfMade ? !isOld(path) : native.isLocked(join(path, 'session'))) continue;
      // Again where another memprof-run that starts now sweeps the same folder.
      rmSync(path, { recursive: true, force: true, maxRetries: 3 });
      swept.push(path);
    }
  }
  return swept;
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    // Not there, or not ours to read: then nothing of ours is in it.
    return [];
  }
}

/** Nobody needs a minute to make a folder and take its lock. */
function isOld(path: string): boolean {
  const status = statSync(path, { throwIfNoEntry: false });
  return status !== undefined && Date.now() - status.mtimeMs > 60_000;
}
