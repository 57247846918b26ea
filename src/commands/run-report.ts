// What memprof-run does once the program has ended: names, and the report.
import { renameSync } from 'node:fs';
import type { TraceModel } from '../model/index.js';
import type { RecordedProcess } from '../record/index.js';
import {
  collectOwners,
  escapeText,
  formatBytes,
  formatCount,
  liveStackIds,
  renderExitReport,
  renderTable,
  shellQuote,
} from '../report/index.js';
import type { SymbolizedStacks } from '../symbols/index.js';
import { type NameStacks, stackNamer } from './naming.js';
import { type Terminal, terminalOf, writeLines } from './output.js';
import { ownCommand } from './own-command.js';

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

interface NamedProcess {
  recorded: RecordedProcess;
  symbols: SymbolizedStacks;
}

export async function printReport(
  recorded: readonly RecordedProcess[],
  rootPid: number,
  stderr: NodeJS.WriteStream,
): Promise<void> {
  const terminal = terminalOf(stderr, process.env);
  await writeLines(stderr, await reportLines(recorded, rootPid, stackNamer(stderr), terminal));
}

async function reportLines(
  recorded: readonly RecordedProcess[],
  rootPid: number,
  nameStacks: NameStacks,
  terminal: Terminal,
): Promise<string[]> {
  if (recorded.length === 0) {
    return [
      'memprof-run: the program ran, but the recorder never joined it, so nothing is known. It may drop LD_PRELOAD, or have file capabilities (getcap).',
    ];
  }
  const named: NamedProcess[] = [];
  for (const one of recorded)
    named.push({ recorded: one, symbols: await nameStacks(one.model, liveStackIds(one.model)) });
  const root = rootOf(named, rootPid);
  const chosen = mostAddonMemory(named, root);
  const { style, columns } = terminal;
  const lines = [''];
  lines.push(
    ...renderExitReport(chosen.recorded.model, chosen.symbols, {
      columns,
      style,
      tracePath: chosen.recorded.tracePath,
      traceBytes: chosen.recorded.traceBytes,
      memprofCommand: ownCommand(process.env['PATH'], process.cwd()),
      warnings: chosen.recorded.warnings,
    })
      .trimEnd()
      .split('\n'),
  );
  if (named.length > 1) {
    const why =
      chosen === root
        ? 'above: the program that was started'
        : 'above: the one whose packages hold most memory';
    lines.push('', style.heading(`${formatCount(named.length)} processes ran; ${why}`));
    lines.push(...processTable(named, chosen, terminal));
  }
  return lines;
}

function rootOf(named: readonly NamedProcess[], rootPid: number): NamedProcess {
  const images = named.filter((one) => one.recorded.model.process.pid === rootPid);
  return images.at(-1) ?? named.find((one) => one.recorded.isRoot) ?? named[0];
}

/** The root, unless packages of another process hold more than the root's. */
function mostAddonMemory(named: readonly NamedProcess[], root: NamedProcess): NamedProcess {
  let chosen = root;
  let most = packageBytes(root);
  for (const one of named) {
    const bytes = packageBytes(one);
    if (bytes > most) {
      most = bytes;
      chosen = one;
    }
  }
  return chosen;
}

function packageBytes({ recorded, symbols }: NamedProcess): number {
  return collectOwners(recorded.model, symbols)
    .filter((one) => one.owner.kind === 'package')
    .reduce((sum, one) => sum + (one.beforeTeardown ?? one.atEnd).sizeBytes, 0);
}

function processTable(
  named: readonly NamedProcess[],
  chosen: NamedProcess,
  { columns, style }: Terminal,
): string[] {
  const rows = named.map((one) => {
    const { model, tracePath } = one.recorded;
    return [
      one === chosen ? '>' : '',
      String(model.process.pid),
      formatBytes(liveBytes(model)),
      escapeText(model.process.argv.map(shellQuote).join(' ')) ||
        escapeText(model.process.executable),
      tracePath === null ? '' : shellQuote(tracePath),
    ];
  });
  return renderTable(
    [
      { title: '', align: 'left' },
      { title: 'pid', align: 'right' },
      { title: 'live', align: 'right', paint: style.bytes },
      { title: 'command', align: 'left', flexible: true },
      { title: 'trace', align: 'left' },
    ],
    rows,
    { columns, heading: style.faint },
  );
}

function liveBytes(model: TraceModel): number {
  const { live } = model.beforeTeardown ?? model.atEnd;
  let bytes = 0;
  for (let row = 0; row < live.count; row++) bytes += live.sizeBytes[row];
  return bytes;
}
