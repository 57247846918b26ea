// What memprof-run does once the program has ended: names, and the report.
import { setImmediate as turn } from 'node:timers/promises';
import type { StackId, TraceModel } from '../model/index.js';
import { type StackNamer, stackNamer } from '../query/index.js';
import type { RecordedProcess } from '../record/index.js';
import {
  checkpointStackIds,
  collectOwners,
  escapeText,
  formatBytes,
  formatCount,
  liveStackIds,
  type MomentSums,
  momentSums,
  renderExitReport,
  renderTable,
  shellQuote,
  usersStackIds,
} from '../report/index.js';
import type { StackOwners } from '../symbols/index.js';
import type { TextOutput } from '../text-output.js';
import { lastLeaks } from './leaks.js';
import { type Terminal, terminalOf, writeLines } from './output.js';
import { ownCommand } from './own-command.js';

interface OwnedProcess {
  recorded: RecordedProcess;
  /** Of all live blocks. */
  stackIds: StackId[];
  owners: StackOwners;
  sums: MomentSums;
}

export class ExitReport {
  readonly #stderr: TextOutput;
  readonly #namer: StackNamer;

  constructor(stderr: TextOutput) {
    this.#stderr = stderr;
    this.#namer = stackNamer(stderr);
  }

  /** Reads a program's symbols in the background. Only saves time: names do not depend on it. */
  warm(programFile: string): void {
    this.#namer.warm(programFile);
  }

  /**
   * Makes a report of what is known while the program runs, for nobody: V8 has compiled what makes it then, and the
   * symbols are read. In `node -e 0` the second report of a process takes 60 % of the first one's CPU.
   */
  async rehearse(model: TraceModel, isOver: () => boolean): Promise<void> {
    const namer = this.#namer.quietly();
    if (namer === null) return;
    const recorded = { model, tracePath: '', traceBytes: 0, isRoot: true, warnings: [] };
    const terminal = terminalOf(this.#stderr, process.env);
    // The rings want to be looked at.
    const mayGoOn = async () => {
      await turn();
      return !isOver();
    };
    try {
      await reportLines([recorded], model.process.pid, namer, terminal, mayGoOn);
    } catch {
      // It will fail again when it is wanted, and then be told.
    }
  }

  async print(recorded: readonly RecordedProcess[], rootPid: number): Promise<void> {
    const terminal = terminalOf(this.#stderr, process.env);
    await writeLines(this.#stderr, await reportLines(recorded, rootPid, this.#namer, terminal));
  }
}

async function reportLines(
  recorded: readonly RecordedProcess[],
  rootPid: number,
  namer: Pick<StackNamer, 'nameStacks' | 'findOwners'>,
  terminal: Terminal,
  /** Asked before each part: false ends it. */
  mayGoOn: () => Promise<boolean> = async () => true,
): Promise<string[]> {
  if (recorded.length === 0) {
    return [
      'memprof-run: the program ran, but the recorder never joined it, so nothing is known. It may drop LD_PRELOAD, or have file capabilities (getcap).',
    ];
  }
  const owned: OwnedProcess[] = [];
  for (const one of recorded) {
    const { model } = one;
    const sums = momentSums(model);
    const stackIds = [
      ...new Set([
        ...liveStackIds(model, false, sums),
        ...checkpointStackIds(model.checkpoints ?? []),
      ]),
    ];
    if (!(await mayGoOn())) return [];
    const owners = await namer.findOwners(model, stackIds);
    owned.push({ recorded: one, stackIds, owners, sums });
  }
  const root = rootOf(owned, rootPid);
  const chosen = owned.length === 1 ? root : mostAddonMemory(owned, root);
  const { model } = chosen.recorded;
  // Node's own stacks, which are most, are counted in the report, but not shown.
  const shown = usersStackIds(chosen.stackIds, chosen.owners);
  if (!(await mayGoOn())) return [];
  const symbols = await namer.nameStacks(model, shown, chosen.owners);
  if (!(await mayGoOn())) return [];
  const { style, columns } = terminal;
  const lines = [''];
  lines.push(
    ...renderExitReport(model, symbols, {
      columns,
      style,
      tracePath: chosen.recorded.tracePath,
      traceBytes: chosen.recorded.traceBytes,
      memprofCommand: ownCommand(process.env['PATH'], process.cwd()),
      warnings: chosen.recorded.warnings,
      leaks: lastLeaks(model, symbols),
      sums: chosen.sums,
    })
      .trimEnd()
      .split('\n'),
  );
  if (owned.length > 1) {
    const why =
      chosen === root
        ? 'above: the program that was started'
        : 'above: the one whose packages hold most memory';
    lines.push('', style.heading(`${formatCount(owned.length)} processes ran; ${why}`));
    lines.push(...processTable(owned, chosen, terminal));
  }
  return lines;
}

function rootOf(owned: readonly OwnedProcess[], rootPid: number): OwnedProcess {
  const images = owned.filter((one) => one.recorded.model.process.pid === rootPid);
  return images.at(-1) ?? owned.find((one) => one.recorded.isRoot) ?? owned[0];
}

/** The root, unless packages of another process hold more than the root's. */
function mostAddonMemory(owned: readonly OwnedProcess[], root: OwnedProcess): OwnedProcess {
  let chosen = root;
  let most = packageBytes(root);
  for (const one of owned) {
    const bytes = packageBytes(one);
    if (bytes > most) {
      most = bytes;
      chosen = one;
    }
  }
  return chosen;
}

function packageBytes({ recorded, owners, sums }: OwnedProcess): number {
  return collectOwners(recorded.model, owners, sums)
    .filter((one) => one.owner.kind === 'package')
    .reduce((sum, one) => sum + (one.beforeTeardown ?? one.atEnd).sizeBytes, 0);
}

function processTable(
  owned: readonly OwnedProcess[],
  chosen: OwnedProcess,
  { columns, style }: Terminal,
): string[] {
  const rows = owned.map((one) => {
    const { model, tracePath } = one.recorded;
    const { sizeBytes } = (one.sums.beforeTeardown ?? one.sums.atEnd).all;
    return [
      one === chosen ? '>' : '',
      String(model.process.pid),
      formatBytes(sizeBytes),
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
