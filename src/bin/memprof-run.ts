#!/usr/bin/env node
import { setFlagsFromString } from 'node:v8';
import { keepCode } from './code-cache.js';

// Most runs end before optimised code has paid for itself, and compiling it takes a core from the program. Later V8s wait
// longer by themselves, and know no such flag.
if (process.versions.v8.startsWith('11.')) setFlagsFromString('--interrupt-budget=1200000');

keepCode('memprof-run', 'report');
void import('./run-main.js').then(({ runMain }) => runMain());
