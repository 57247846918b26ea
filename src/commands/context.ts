// What every command on a trace gets: the trace with names for its stacks, and how wide to draw.
import type { OpenedTrace } from '../query/index.js';
import type { Style } from '../report/index.js';

export { stackContext } from '../query/index.js';

export interface TraceCommand extends OpenedTrace {
  columns: number;
  style: Style;
  memprofCommand: string;
}
