// Where blocks came from that went when V8 was made to collect. Pure.
import type { MemoryFinding } from '../memory/index.js';
import type { SymbolizedStacks } from '../symbols/index.js';
import type { GoneSite } from './fragmentation.js';
import { ownerText, type StackContext } from './stack-text.js';
import { siteText } from './why.js';

const shownGone = 3;
const leastGoneShare = 0.05;

/** The stacks of a finding as sites: those that make up most of it. */
export function withGoneSites(
  { stacks, ...finding }: MemoryFinding,
  symbols: SymbolizedStacks,
  context: StackContext,
): Omit<MemoryFinding, 'stacks'> & { sites?: GoneSite[] } {
  if (stacks === undefined) return finding;
  const sites = new Map<string, GoneSite>();
  for (const { stackId, blockCount, sizeBytes } of stacks) {
    const text = siteText(symbols, stackId, context);
    const owner = ownerText(symbols.stack(stackId).owner);
    const site = sites.get(`${owner}\0${text}`);
    if (site === undefined)
      sites.set(`${owner}\0${text}`, { text, package: owner, blockCount, sizeBytes });
    else {
      site.blockCount += blockCount;
      site.sizeBytes += sizeBytes;
    }
  }
  const shown = [...sites.values()].sort((a, b) => b.sizeBytes - a.sizeBytes).slice(0, shownGone);
  return {
    ...finding,
    sites: shown.filter((site) => site.sizeBytes >= finding.bytes * leastGoneShare),
  };
}
