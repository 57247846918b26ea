// What every command on a trace gets: the trace, names for its stacks, and how wide to draw.
import type { TraceModel } from '../model/index.js';
import type { StackContext, Style } from '../report/index.js';
import { isNodeProcess } from '../symbols/index.js';
import type { NameStacks } from './naming.js';
import type { FindSymbols } from './private-allocators.js';
import type { NameData, RetainersOf } from './root-names.js';

export interface TraceCommand {
  model: TraceModel;
  /** As the user typed it. */
  tracePath: string;
  nameStacks: NameStacks;
  nameData: NameData;
  findSymbols: FindSymbols;
  /** Given where the checkpoint's heap snapshot is at hand. */
  retainersOf?: RetainersOf;
  columns: number;
  style: Style;
  memprofCommand: string;
}

export function stackContext(model: TraceModel): StackContext {
  return {
    isNode: isNodeProcess(model.process),
    executable: model.process.executable,
    cwd: model.process.cwd,
  };
}
