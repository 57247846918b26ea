// Ending as the program ended: with its status, or by its signal.
import { spawnSync } from 'node:child_process';
import { constants } from 'node:os';

/** Does not return when a signal ended the program (or returns the status a shell would give if it could not). */
export function endLike(end: { code: number | null; signal: NodeJS.Signals | null }): number {
  if (end.signal === null) return end.code ?? 0;
  if (dumpsCore(end.signal)) {
    // The program's own core is worth keeping, ours would overwrite it. prlimit is in util-linux.
    spawnSync('prlimit', ['--pid', String(process.pid), '--core=0:0'], { stdio: 'ignore' });
  }
  restoreDefault(end.signal);
  process.kill(process.pid, end.signal);
  return 128 + constants.signals[end.signal];
}

function dumpsCore(signal: NodeJS.Signals): boolean {
  return [
    'SIGQUIT',
    'SIGILL',
    'SIGTRAP',
    'SIGABRT',
    'SIGBUS',
    'SIGFPE',
    'SIGSEGV',
    'SIGXCPU',
    'SIGXFSZ',
    'SIGSYS',
  ].includes(signal);
}

/** Node ignores SIGPIPE and handles SIGUSR1; taking a listener off leaves the default action behind. */
function restoreDefault(signal: NodeJS.Signals): void {
  if (signal === 'SIGKILL' || signal === 'SIGSTOP') return;
  process.removeAllListeners(signal);
  const nothing = () => {};
  process.on(signal, nothing);
  process.off(signal, nothing);
}
