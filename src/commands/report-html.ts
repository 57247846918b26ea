// memprof report: the trace as one HTML file that opens in a browser, without a network.
import { spawn } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { basename } from 'node:path';
import { gzipSync } from 'node:zlib';
import { MemprofError } from '../errors.js';
import {
  buildReport,
  type ReportInput,
  reportDocument,
  StackIndex,
  waysOf,
} from '../html/index.js';
import { memoryStackIds } from '../memory/index.js';
import type { StackId, TraceModel } from '../model/index.js';
import { reportTemplatePath } from '../paths.js';
import {
  nameRoots,
  type OpenedTrace,
  openTraceFile,
  packageFiles,
  readSourceFile,
} from '../query/index.js';
import { readTraceEvents } from '../record/index.js';
import {
  alikeStacks,
  checkpointStackIds,
  collectNapi,
  type Explained,
  formatBytes,
  liveStackIds,
  resourceStackIds,
} from '../report/index.js';
import type { SymbolizedStacks } from '../symbols/index.js';
import { pathOf } from '../verdicts/index.js';
import { ownVersion } from '../version.js';
import { stackContext, type TraceCommand } from './context.js';
import { readableLeaks } from './leaks.js';
import { assertReplaceable } from './replaceable.js';

export interface HtmlReportOptions {
  output?: string;
  force?: boolean;
  open?: boolean;
  /** An earlier trace to compare with. */
  diff?: string;
}

export async function* htmlReport(
  command: TraceCommand,
  options: HtmlReportOptions,
): AsyncGenerator<string> {
  const path = options.output ?? `${command.tracePath.replace(/\.mprof$/, '')}.html`;
  const before = options.diff === undefined ? null : openTraceFile(options.diff, process.stderr);
  yield await writeReport(command, path, options.force === true, before);
  if (options.open === true) {
    const problem = await openInBrowser(path);
    if (problem !== null) yield problem;
  }
}

/** Returns a sentence that says where the report is. */
export async function writeReport(
  command: OpenedTrace,
  path: string,
  force: boolean,
  before: OpenedTrace | null = null,
): Promise<string> {
  assertReplaceable(path, force);
  const template = readTemplate();
  const warnings: string[] = [];
  const input = await reportInput(command, warnings);
  if (before !== null) input.before = await comparedWith(before);
  const packed = buildReport(input);
  const title = `${basename(command.tracePath)}: memprof`;
  const html = reportDocument(template, gzipSync(packed, { level: 9 }), title);
  try {
    writeFileSync(path, html, { mode: 0o600 });
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new MemprofError(
      'ERR_MEMPROF_OUTPUT',
      `the report cannot be written: ${reason}. Give another place with -o FILE`,
    );
  }
  return `${path}: ${formatBytes(Buffer.byteLength(html))}. Open it in a browser; it needs no network.`;
}

/** Of the page, without data. */
export function readTemplate(): string {
  try {
    return readFileSync(reportTemplatePath, 'utf8');
  } catch {
    throw new MemprofError(
      'ERR_MEMPROF_NOT_BUILT',
      `${reportTemplatePath} is missing: the page of the report is not built. Build it: npm run build`,
    );
  }
}

/** All of it but an earlier trace to compare with. `warnings` are completed while the events are read. */
export async function reportInput(command: OpenedTrace, warnings: string[]): Promise<ReportInput> {
  const { model } = command;
  const context = stackContext(model);
  const last = model.checkpoints?.at(-1);
  const detail = last?.detail ?? null;
  const stackIds = [
    ...new Set<StackId>([
      ...liveStackIds(model, true),
      ...checkpointStackIds(model.checkpoints ?? []),
      ...resourceStackIds(model),
      ...(detail === null ? [] : (new Set(detail.live.stackId) as Set<StackId>)),
    ]),
  ];
  const owners = await command.findOwners(model, [...stackIds, ...memoryStacks(model)]);
  const symbols = await command.nameStacks(model, stackIds, owners);
  const index = new StackIndex(model, symbols, stackIds, context, packageFiles());
  const leaks = last === undefined ? null : readableLeaks(command, symbols, last.number);
  const explained: Explained | null =
    last === undefined || detail === null ? null : { model, checkpoint: last, detail };
  const ways = explained === null ? [] : waysOf(explained, index, symbols);
  const roots = [
    ...(leaks?.sites ?? []).flatMap((site) => (site.root === null ? [] : [site.root])),
    ...(detail === null ? [] : ways.map(({ path }) => pathOf(detail, path.row).root)),
  ];
  const words = new Set(detail?.reachability?.firstWord ?? []);
  words.delete(0);
  const names = await nameRoots(command, detail, roots, words);
  return {
    model,
    traceName: basename(command.tracePath),
    memprofVersion: ownVersion(),
    index,
    symbols,
    context,
    batches: model.hasEvents ? wholeEvents(command.tracePath, warnings) : null,
    leaks,
    ways,
    names,
    napi: collectNapi(model, symbols, alikeGroups(model, symbols)),
    readSource: readSourceFile,
    warnings,
    ownerOf: (id) => owners.owner(id),
  };
}

const memoryStacks = ({ checkpoints }: TraceModel) =>
  (checkpoints ?? []).flatMap((one) => [...memoryStackIds(one)]);

async function comparedWith({ model, tracePath, nameStacks }: OpenedTrace) {
  const { live } = model.beforeTeardown ?? model.atEnd;
  const symbols = await nameStacks(model, new Set(live.stackId) as Set<StackId>);
  return { model, traceName: basename(tracePath), symbols };
}

function alikeGroups(model: TraceModel, symbols: SymbolizedStacks) {
  const stacks = resourceStackIds(model).map((id) => symbols.stack(id));
  const alike = alikeStacks(stacks, stackContext(model));
  return {
    keyOf: (stack: (typeof stacks)[number]) => String(alike.keyOf(stack)),
    shown: (key: string) => alike.shown(Number(key)),
  };
}

/** A chunk that is damaged in its middle ends the events: what came before it is shown. */
function* wholeEvents(
  tracePath: string,
  warnings: string[],
): Generator<ReturnType<typeof readTraceEvents> extends Generator<infer Batch> ? Batch : never> {
  try {
    yield* readTraceEvents(tracePath);
  } catch (error) {
    if (!(error instanceof MemprofError) || error.code !== 'ERR_MEMPROF_TRACE_DAMAGED') throw error;
    warnings.push(`${error.message} The timeline ends there.`);
  }
}

/** Returns what went wrong; null: nothing that is known. */
function openInBrowser(path: string): Promise<string | null> {
  return new Promise((done) => {
    const opener = spawn('xdg-open', [path], { stdio: 'ignore', detached: true });
    opener.on('error', () => done(`No xdg-open here to open it with.`));
    opener.on('spawn', () => {
      opener.unref();
      done(null);
    });
  });
}
