#!/usr/bin/env node
import { memprofProgram } from '../commands/index.js';
import { main } from './main.js';

void main('memprof', (warn) => memprofProgram(process.argv.slice(2), warn));
