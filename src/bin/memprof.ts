#!/usr/bin/env node
import { keepCode } from './code-cache.js';

keepCode('memprof', 'commands');
void import('./memprof-main.js').then(({ memprofMain }) => memprofMain());
