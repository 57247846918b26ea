// Pages of the documentation, read for what they show: their code blocks, sessions of a shell, links.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from '../../src/paths.js';

export const readPage = (path: string): string => readFileSync(join(packageRoot, path), 'utf8');

export interface CodeBlock {
  /** What stands behind the fence, such as `console` or `js`. */
  info: string;
  text: string;
}

export function codeBlocks(page: string): CodeBlock[] {
  return [...page.matchAll(/^```(.*)\n([\s\S]*?)^```$/gm)].map(([, info, text]) => ({
    info: info as string,
    text: text as string,
  }));
}

export interface Step {
  command: string;
  /** What the page says that it prints. */
  output: string[];
}

/** Of a block that shows a shell: each `$ command` with the lines below it. */
export function stepsOf(block: CodeBlock): Step[] {
  const steps: Step[] = [];
  for (const line of block.text.split('\n').slice(0, -1)) {
    if (line.startsWith('$ ')) steps.push({ command: line.slice(2), output: [] });
    else steps.at(-1)?.output.push(line);
  }
  return steps;
}
