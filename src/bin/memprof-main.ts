import { memprofProgram } from '../commands/index.js';
import { main } from './main.js';

export const memprofMain = (): Promise<void> =>
  main('memprof', (warn) => memprofProgram(process.argv.slice(2), warn));
