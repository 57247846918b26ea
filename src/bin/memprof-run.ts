#!/usr/bin/env node
import { memprofRunProgram } from '../commands/index.js';
import { main } from './main.js';

void main('memprof-run', () => memprofRunProgram(process.argv.slice(2)));
