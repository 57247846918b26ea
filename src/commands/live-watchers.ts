// Loaded with the first `memprof live PID` that comes to a memprof-run.
import type { Session } from '../record/session.js';
import { LiveServer } from './live-server.js';
import { LiveSource } from './live-source.js';

export function liveServer(session: Session): LiveServer {
  const source = new LiveSource(session);
  return new LiveServer(() => source.watcher());
}
