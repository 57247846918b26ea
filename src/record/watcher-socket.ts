// How somebody in another terminal comes to watch a recording. He listens on a socket in the session's folder
// (0700: nobody else gets in), and memprof-run, which lists that folder in every turn anyway, finds it and
// connects. The other way round memprof-run would have to listen in every run, for watchers that never come.
import { randomBytes } from 'node:crypto';
import { chmodSync, rmSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { MemprofError } from '../errors.js';
import { headerOfProcess, sessionFolderOf } from './demand.js';
import { watcherPrefix } from './session-folder.js';

/** sun_path, without the zero at its end. */
const mostPathBytes = 107;
/** memprof-run lists the folder every few milliseconds, when the machine lets it. */
const patienceMs = 5000;

/** Waits for the memprof-run that records the process, and connects with it. */
export async function connectToRecorder(pid: number): Promise<Socket> {
  // For its errors: it says why nobody records this process.
  headerOfProcess(pid);
  const folder = sessionFolderOf(pid);
  const path = join(folder, `${watcherPrefix}${process.pid}.${randomBytes(4).toString('hex')}`);
  if (Buffer.byteLength(path) > mostPathBytes)
    throw new MemprofError(
      'ERR_MEMPROF_LIVE_PATH',
      `process ${pid} cannot be watched: the path of its session is too long for a socket (${folder}). Start memprof-run with a shorter XDG_RUNTIME_DIR or TMPDIR`,
    );
  const server = createServer();
  const waiting = new AbortController();
  try {
    await new Promise<void>((listening, failed) => {
      server.once('error', failed);
      server.listen(path, listening);
    });
    chmodSync(path, 0o600);
    const connected = new Promise<Socket>((got) => server.once('connection', got));
    const tooLate = sleep(patienceMs, null, { signal: waiting.signal }).catch(() => null);
    const socket = await Promise.race([connected, tooLate]);
    if (socket === null)
      throw new MemprofError(
        'ERR_MEMPROF_NO_ANSWER',
        `the memprof-run of process ${pid} did not answer within ${patienceMs / 1000} s: it is stopped, very busy, or of another version. Try again`,
      );
    return socket;
  } finally {
    waiting.abort();
    server.close();
    rmSync(path, { force: true });
  }
}
