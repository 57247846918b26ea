// A trace as the model (src/model), for what no command prints: the parts that tests count exactly.
export { readTraceFile as readTrace } from '../../../src/record/index.js';
