// What a trace lacks, so that the report shows less, in words. Pure.
import type { TraceModel } from '../model/index.js';
import type { Explained } from '../report/index.js';
import type { SymbolizedStacks } from '../symbols/index.js';
import { mostExplainedBlocks } from './checkpoint-blocks.js';
import { safeText } from './texts.js';

interface MissingInput {
  model: TraceModel;
  symbols: SymbolizedStacks;
  /** null: the trace has no events. */
  batches: unknown;
  warnings: readonly string[];
  live?: { isRunning: boolean };
}

export function missingFrom(input: MissingInput, explained: Explained | null): string[] {
  const { model, symbols } = input;
  const found = [...input.warnings].map((text) => safeText(text, 500));
  if (input.live?.isRunning === true)
    return [
      ...found,
      'The program is running: what is lost, who holds what and what the Node-API ledger says is known at its end.',
    ];
  if (!model.complete)
    found.push('The trace ends before its last part: everything is as of its last whole part.');
  if (input.batches === null)
    found.push(
      'The trace has no events (--events none, or no trace was kept): the timeline, the peak and temporary allocations cannot be shown, only what was live.',
    );
  if ((model.checkpoints ?? []).length === 0)
    found.push('No checkpoint was taken: what is lost and who holds what is not known.');
  else if (explained === null)
    found.push(
      'The blocks of the last checkpoint are not in the trace: who holds what is not known.',
    );
  else if (explained.checkpoint.scanFailure !== null)
    found.push(
      `The last checkpoint was not scanned (${safeText(explained.checkpoint.scanFailure, 300)}): verdicts are unknown.`,
    );
  else if (explained.detail.live.count > mostExplainedBlocks)
    found.push(
      `Ways to what holds a block were looked for among the first ${mostExplainedBlocks} blocks of users only.`,
    );
  if (model.pools !== undefined)
    found.push(
      'The program announced pools (memprof.h): their memory is counted here as what it is, blocks of the process; blocks inside of it are not shown.',
    );
  const unnamed = symbols.modules.filter(
    (one) => one.reason === 'missing' || one.reason === 'changed' || one.reason === 'no-symbols',
  );
  if (unnamed.length > 0) {
    const reasons = { missing: 'not there', changed: 'changed since', 'no-symbols': 'no symbols' };
    const few = unnamed
      .slice(0, 6)
      .map(
        (one) =>
          `${one.path.slice(one.path.lastIndexOf('/') + 1)} (${reasons[one.reason as keyof typeof reasons]})`,
      );
    found.push(
      safeText(
        `Functions of ${unnamed.length} ${unnamed.length === 1 ? 'module' : 'modules'} have no names: ${few.join(', ')}${unnamed.length > few.length ? ', …' : ''}`,
        900,
      ),
    );
  }
  return found;
}
