import { memprofRunProgram } from '../commands/index.js';
import { main } from './main.js';

export const runMain = (): Promise<void> =>
  main('memprof-run', () => memprofRunProgram(process.argv.slice(2)));
