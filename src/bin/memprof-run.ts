#!/usr/bin/env node
import { keepCode } from './code-cache.js';

keepCode('memprof-run', 'report');
void import('./run-main.js').then(({ runMain }) => runMain());
