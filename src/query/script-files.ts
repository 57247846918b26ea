// Scripts and source maps from this machine's disk, for source-maps/.
import { closeSync, constants, fstatSync, openSync, readFileSync } from 'node:fs';
import type { TraceModel } from '../model/index.js';
import { type MapProblem, type SourceFiles, SourceMapper } from '../source-maps/index.js';

const scriptFiles: SourceFiles = {
  read(path, maxBytes) {
    let fd: number;
    try {
      // Not blocked by a pipe that a map names.
      fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    } catch {
      // Not there, or not for us: the caller shows the script itself.
      return null;
    }
    try {
      const stat = fstatSync(fd);
      if (!stat.isFile() || stat.size > maxBytes) return null;
      return { text: readFileSync(fd, 'utf8'), modifiedMs: stat.mtimeMs };
    } catch {
      // Unreadable half way (a disk, a network): as if it were not there.
      return null;
    } finally {
      closeSync(fd);
    }
  },
};

/** A file of the machine's disk as text; null: not there, not for us, or too large. */
export const readSourceFile: SourceFiles['read'] = (path, maxBytes) =>
  scriptFiles.read(path, maxBytes);

export function sourceMapperFor(model: TraceModel): SourceMapper {
  return new SourceMapper(scriptFiles, model.process.startRealtimeMs);
}

/** What the user should know; null: nothing to say (packages often ship without the maps they name). */
export function mapProblemText({ file, reason }: MapProblem): string | null {
  switch (reason) {
    case 'changed':
      return `${file} or its source map changed after the program started: its own lines are shown`;
    case 'unusable':
      return `the source map of ${file} cannot be used: its own lines are shown`;
    case 'transformed':
      return `${file} is not the text that ran (a loader compiled it in memory, or it changed since): its lines are not shown`;
    case 'missing':
      return null;
  }
}
