// memprof-run --report: the HTML report of the program that was started.
import { basename } from 'node:path';
import { MemprofError } from '../errors.js';
import { findSymbols } from '../native/index.js';
import { nameData, type OpenedTrace, openTraceFile, stackNamer } from '../query/index.js';
import type { RecordedProcess } from '../record/index.js';
import { escapeText } from '../report/index.js';
import type { TextOutput } from '../text-output.js';
import { writeReport } from './report-html.js';
import { scriptName } from './trace-names.js';

/** What goes wrong is said; the program has ended as it has. */
export async function writeRunReport(
  recorded: readonly RecordedProcess[],
  rootPid: number,
  options: { report?: string; force?: boolean; quiet?: boolean },
  stderr: TextOutput,
): Promise<void> {
  const root =
    recorded.findLast((one) => one.model.process.pid === rootPid) ??
    recorded.find((one) => one.isRoot) ??
    recorded[0];
  const say = (text: string) => stderr.write(`memprof-run: ${escapeText(text)}\n`);
  if (root === undefined) {
    say('no report is written: the recorder never joined the program.');
    return;
  }
  const opened = openedOf(root, stderr);
  const path =
    (options.report ?? '') === ''
      ? `${opened.tracePath.replace(/\.mprof$/, '')}.html`
      : (options.report as string);
  try {
    const sentence = await writeReport(opened, path, options.force === true);
    const others =
      recorded.length === 1
        ? ''
        : ` It is of the program that was started; memprof report makes one of each other's trace.`;
    if (options.quiet !== true) say(`${sentence}${others}`);
  } catch (error) {
    if (!(error instanceof MemprofError)) throw error;
    say(`no report is written: ${error.message}`);
  }
}

/** Without a trace (-o /dev/null) there are no events. */
function openedOf({ tracePath, model }: RecordedProcess, stderr: TextOutput): OpenedTrace {
  if (tracePath !== null) return openTraceFile(tracePath, stderr);
  const { argv, executable, cwd, pid } = model.process;
  const { nameStacks, findOwners } = stackNamer(stderr);
  return {
    model: { ...model, hasEvents: false },
    tracePath: basename(`memprof-${scriptName(argv, executable, cwd)}.${pid}`),
    nameStacks,
    findOwners,
    nameData,
    findSymbols,
  };
}
