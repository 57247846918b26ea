// Which of the root process's traces has the name that the user gave with -o.
import { renameSync } from 'node:fs';
import type { RecordedProcess } from '../record/recorded.js';

/**
 * The first image of the root process is often only a doorway (env, sh -c, a script's interpreter) that
 * another program replaced; FILE of -o is for the program that stayed.
 */
export function giveRootItsName(
  recorded: RecordedProcess[],
  rootPid: number,
  output: string | undefined,
): void {
  if (output === undefined || output.includes('%p')) return;
  const images = recorded.filter(
    (one) => one.model.process.pid === rootPid && one.tracePath !== null,
  );
  const first = images.find((one) => one.model.process.generation === 0);
  const last = images.reduce<RecordedProcess | undefined>(
    (latest, one) =>
      latest === undefined || one.model.process.generation > latest.model.process.generation
        ? one
        : latest,
    undefined,
  );
  if (first === undefined || last === undefined || first === last) return;
  const [firstPath, lastPath] = [first.tracePath as string, last.tracePath as string];
  const aside = `${lastPath}.swap`;
  renameSync(firstPath, aside);
  renameSync(lastPath, firstPath);
  renameSync(aside, lastPath);
  first.tracePath = lastPath;
  last.tracePath = firstPath;
}
