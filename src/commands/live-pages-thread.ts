// The thread that serves live pages: memprof-run's own has to drain the program's rings.
import { createHash } from 'node:crypto';
import { setPriority } from 'node:os';
import { parentPort, workerData } from 'node:worker_threads';
import { MemprofError } from '../errors.js';
import { liveDocument } from '../html/index.js';
import { reportTemplatePath } from '../paths.js';
import { LiveFeed } from './live-feed.js';
import { type LivePage, LivePageServer } from './live-page-server.js';
import type { FromPages, LivePagesData, ToPages } from './live-pages-messages.js';
import { readTemplate } from './report-html.js';

/** The program and the recorder come first. */
const niceness = 5;

export function serveLivePages(): void {
  const port = parentPort;
  if (port === null) throw new Error('live-pages.cjs is a thread of memprof-run');
  const tell = (message: FromPages) => port.postMessage(message);
  serve(workerData as LivePagesData, (take) => port.on('message', take), tell).catch(
    (error: unknown) => {
      const { code = '', message } = error as NodeJS.ErrnoException;
      tell({ kind: 'failed', code, message });
    },
  );
}

async function serve(
  { port, token }: LivePagesData,
  onMessage: (take: (message: ToPages) => void) => void,
  tell: (message: FromPages) => void,
): Promise<void> {
  // Of this thread alone, on Linux.
  setPriority(niceness);
  const template = readTemplate();
  // Pages that a rebuilt memprof made may read other data.
  const build = createHash('sha256').update(template).digest('hex').slice(0, 16);
  const server = new LivePageServer({
    token,
    build,
    page: pageOf(template, build),
    onWanted: () => feed.wake(),
  });
  const feed = new LiveFeed({
    isWanted: (version) => server.isWanted(version),
    onNews: (data) => server.publish(data),
  });
  const finish = async () => {
    if (server.hasPages) {
      await feed.finish();
      await server.handOver();
    }
    feed.close();
    tell({ kind: 'finished' });
  };
  onMessage((message) => {
    if (message.kind === 'follow') feed.follow(message.path);
    else
      finish().catch((error: unknown) =>
        tell({ kind: 'failed', code: '', message: (error as Error).message }),
      );
  });
  tell({ kind: 'listening', port: await server.listen(port) });
}

function pageOf(template: string, build: string): LivePage {
  const page = liveDocument(template, build);
  if (page === null)
    throw new MemprofError(
      'ERR_MEMPROF_NOT_BUILT',
      `${reportTemplatePath} is of an older build, which cannot be fed while a program runs. Build it: npm run build`,
    );
  return page;
}
