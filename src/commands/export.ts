// memprof export: a trace as another tool's file.
import { createGzip } from 'node:zlib';
import { ExitCode, MemprofError } from '../errors.js';
import type { Measure, RowKind } from '../exporters/index.js';
import type { Moment } from '../model/index.js';
import { zstdCompress } from '../native/index.js';
import { formatBytes } from '../report/index.js';
import type { TraceCommand } from './context.js';
import { type ExportRequest, formats } from './export-formats.js';
import { heapSnapshotPieces } from './export-heapsnapshot.js';
import { type ExportFormat, formatTools, stackFormats, tableFormats } from './export-names.js';
import { writeFile, writeStream } from './output-file.js';

export interface ExportOptions {
  format: ExportFormat;
  output?: string;
  force?: boolean;
  measure?: Measure;
  moment?: Moment['name'];
  rows?: RowKind;
}

const stdoutName = '-';
const zstdLevel = 3;

export async function* exportTrace(
  command: TraceCommand,
  options: ExportOptions,
): AsyncGenerator<string> {
  checkOptions(options);
  const { format } = options;
  const { ending, pieces } =
    format === 'heapsnapshot' ? { ending: format, pieces: heapSnapshotPieces } : formats[format];
  const request: ExportRequest = {
    command,
    measure: options.measure ?? 'live',
    hasMeasure: options.measure !== undefined,
    moment: options.moment,
    rows: options.rows ?? 'blocks',
  };
  if (options.output === stdoutName) {
    if (process.stdout.isTTY === true && isBinary(format))
      throw new MemprofError(
        'ERR_MEMPROF_USAGE',
        `${format} is binary, and standard output is a terminal. Give a file with -o, or a pipe`,
        ExitCode.usage,
      );
    await writeStream(process.stdout, packed(await pieces(request), packingOf(format, '')));
    return;
  }
  const base = command.tracePath.replace(/\.mprof$/, '');
  const rows = options.rows === undefined ? '' : `.${options.rows}`;
  const path = options.output ?? `${base}${rows}.${ending}`;
  const bytes = await writeFile(path, options.force === true, async () =>
    packed(await pieces(request), packingOf(format, path)),
  );
  yield `${path}: ${formatBytes(bytes)}. For ${formatTools[format]}.`;
}

function checkOptions({ format, measure, moment, rows }: ExportOptions): void {
  const refuse = (option: string, these: readonly string[]): never => {
    throw new MemprofError(
      'ERR_MEMPROF_USAGE',
      `${option} does not apply to ${format}. It is for ${these.join(', ')}`,
      ExitCode.usage,
    );
  };
  const isStacks = (stackFormats as readonly string[]).includes(format);
  const isTable = (tableFormats as readonly string[]).includes(format);
  if (measure !== undefined && !isStacks) refuse('--measure', stackFormats);
  if (rows !== undefined && !isTable) refuse('--rows', tableFormats);
  if (moment === undefined) return;
  if (!(isStacks || isTable)) refuse('--moment', [...stackFormats, ...tableFormats]);
  if (isStacks && measure !== undefined && measure !== 'live')
    throw new MemprofError(
      'ERR_MEMPROF_USAGE',
      `--moment says when memory is live; ${measure} is not of a moment. Leave one or the other out`,
      ExitCode.usage,
    );
}

type Packing = 'gzip' | 'zstd' | 'none';

/** pprof's files are gzipped always; heaptrack_print goes by the name. */
function packingOf(format: ExportFormat, path: string): Packing {
  if (format === 'pprof') return 'gzip';
  if (format !== 'heaptrack') return 'none';
  if (path.endsWith('.zst')) return 'zstd';
  return path.endsWith('.gz') ? 'gzip' : 'none';
}

const isBinary = (format: ExportFormat): boolean => format === 'pprof' || format === 'parquet';

async function* packed(
  pieces: Iterable<string | Uint8Array>,
  packing: Packing,
): AsyncGenerator<string | Uint8Array> {
  if (packing === 'none') yield* pieces;
  else if (packing === 'gzip') yield* gzipped(pieces);
  // Frames one after the other are a file of zstd, too.
  else for (const piece of pieces) yield zstdCompress(Buffer.from(piece as Uint8Array), zstdLevel);
}

async function* gzipped(pieces: Iterable<string | Uint8Array>): AsyncGenerator<Uint8Array> {
  const gzip = createGzip();
  const done: Buffer[] = [];
  gzip.on('data', (data: Buffer) => done.push(data));
  const ended = new Promise<void>((resolve, reject) => {
    gzip.on('end', resolve);
    gzip.on('error', reject);
  });
  for (const piece of pieces) {
    await new Promise<void>((resolve) => {
      gzip.write(piece, () => resolve());
    });
    yield* done.splice(0);
  }
  gzip.end();
  await ended;
  yield* done.splice(0);
}
