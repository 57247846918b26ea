// Hears at once (inotify) that a program asks something or has made a checkpoint's file, so that the reader's
// loop need not look all the time. Where there is none to be had (too many watches on this machine), the
// loop looks more often instead.
import { type FSWatcher, watch } from 'node:fs';

/** A question is touched once more after its mark, and its checkpoint's mark follows the file: wire.h. */
const isNews = (event: string, name: string): boolean =>
  event === 'change' ? /^p\d+\.\d+\.q\d+$/.test(name) : /^p\d+\.\d+\.k\d+$/.test(name);

export class FolderWatch {
  #watcher: FSWatcher | null = null;

  constructor(folder: string, onNews: () => void) {
    try {
      this.#watcher = watch(folder, { persistent: false }, (event, name) => {
        if (name !== null && isNews(event, name)) onNews();
      });
      this.#watcher.on('error', () => this.close());
    } catch (error) {
      // EMFILE, ENOSPC: too many watches of this user.
      if (!(error instanceof Error && 'code' in error)) throw error;
    }
  }

  get isWatching(): boolean {
    return this.#watcher !== null;
  }

  close(): void {
    this.#watcher?.close();
    this.#watcher = null;
  }
}
