#!/usr/bin/env node
import { keepCode } from './code-cache.js';

// Most runs end before optimised code has paid for itself, and compiling it takes a core from the program. Later V8s wait
// longer by themselves, and know no such flag.
if (process.versions.v8.startsWith('11.')) setV8Flag('--interrupt-budget=1200000');

keepCode('memprof-run', 'report');
void import('./run-main.js').then(({ runMain }) => runMain());

/** On Node 20: node:v8 would load its streams first (2 ms), and what is deprecated will not change there any more. */
function setV8Flag(flag: string): void {
  const noDeprecation = process.noDeprecation ?? false;
  process.noDeprecation = true;
  try {
    (process as unknown as { binding(name: 'v8'): typeof import('node:v8') })
      .binding('v8')
      .setFlagsFromString(flag);
  } catch {
    // It saves time and changes nothing else.
  } finally {
    process.noDeprecation = noDeprecation;
  }
}
