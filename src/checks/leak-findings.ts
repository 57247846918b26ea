// What a leak test found, as findings: growths that display equal are one. Pure.
import { ResourceKind, type StackId } from '../model/index.js';
import {
  alikeStacks,
  classText,
  escapeText,
  formatBytes,
  formatCount,
  ownerText,
  resourceName,
  type StackContext,
} from '../report/index.js';
import type { NamedStack, SymbolizedStacks } from '../symbols/index.js';
import type { CheckFinding, FindingRule } from './finding.js';
import { findingOf } from './findings.js';
import type { Growth } from './growth.js';
import { type Holding, mainClassOf } from './holdings.js';
import type { Leak } from './leak-watch.js';

/** Who holds one of a growth's blocks, in words; null: not known. Escaped. */
export type WhyHeld = (rows: readonly number[]) => string | null;

export interface LeakFacts {
  leaks: readonly Leak[];
  symbols: SymbolizedStacks;
  context: StackContext;
  iterationsPerRound: number;
  whyHeld: WhyHeld;
}

/** Leaks of one displayed site: V8 may have run the JavaScript around it in several ways. */
interface JoinedLeak extends Leak {
  stack: NamedStack;
}

/** Of a leak's stacks so many are looked at for the one whose lines say most. */
const stacksLookedAt = 12;

/** All stacks whose names are needed. */
export function leakStackIds(leaks: readonly Leak[]): StackId[] {
  return leaks.flatMap(({ growth }) => candidates(growth));
}

const candidates = ({ stackIds }: Growth): StackId[] =>
  stackIds.slice(0, stacksLookedAt) as StackId[];

/** Most calls with their own lines, for the compilers of V8 keep none and inline; of equals the one that gained most. */
function clearest(growth: Growth, symbols: SymbolizedStacks): NamedStack {
  let [best, most] = [symbols.stack(growth.stackIds[0] as StackId), -1];
  for (const id of candidates(growth)) {
    const stack = symbols.stack(id);
    const lines = stack.frames.filter((one) => one.kind === 'js' && one.lineIs === 'call').length;
    if (lines > most) [best, most] = [stack, lines];
  }
  return best;
}

/** Most bytes first. */
export function leakFindings(facts: LeakFacts): CheckFinding[] {
  return joined(facts)
    .sort((a, b) => weight(b.growth) - weight(a.growth))
    .map((leak) => finding(leak, facts));
}

const weight = ({ perIteration, what }: Growth): number =>
  what === 'resource' ? perIteration.blocks / 2 ** 20 : perIteration.bytes;

function joined({ leaks, symbols, context }: LeakFacts): JoinedLeak[] {
  const stackOf = ({ growth }: Leak) => clearest(growth, symbols);
  const alike = alikeStacks(leaks.map(stackOf), context);
  const byLook = new Map<string, JoinedLeak>();
  for (const leak of leaks) {
    const { growth, because } = leak;
    const key = alike.keyOf(stackOf(leak));
    const look = [growth.what, because, growth.isRuntime, growth.resource?.kind, key].join(' ');
    const known = byLook.get(look);
    byLook.set(
      look,
      known === undefined
        ? { ...leak, stack: alike.shown(key) }
        : { ...known, growth: sumOf(known.growth, growth), holding: holdingOf(known, leak) },
    );
  }
  return [...byLook.values()];
}

function sumOf(a: Growth, b: Growth): Growth {
  const add = (one: number[], other: number[]) => one.map((value, at) => value + other[at]);
  return {
    ...a,
    stackIds: [...a.stackIds, ...b.stackIds],
    blocks: add(a.blocks, b.blocks),
    bytes: add(a.bytes, b.bytes),
    isExact: a.isExact && b.isExact,
    isByBytes: a.isByBytes && b.isByBytes,
    perIteration: {
      blocks: a.perIteration.blocks + b.perIteration.blocks,
      bytes: a.perIteration.bytes + b.perIteration.bytes,
    },
  };
}

function holdingOf({ holding: a }: Leak, { holding: b }: Leak): Holding | null {
  if (a === null || b === null) return a ?? b;
  const classes = new Map(a.classes);
  for (const [name, count] of b.classes) classes.set(name, (classes.get(name) ?? 0) + count);
  return {
    blockCount: a.blockCount + b.blockCount,
    lostCount: a.lostCount + b.lostCount,
    orphanedCount: a.orphanedCount + b.orphanedCount,
    pendingCount: a.pendingCount + b.pendingCount,
    heldByClassCount: a.heldByClassCount + b.heldByClassCount,
    classes,
    rows: [...a.rows, ...b.rows],
  };
}

function finding(leak: JoinedLeak, facts: LeakFacts): CheckFinding {
  const { growth, stack } = leak;
  const rule = ruleOf(leak);
  const className = growth.resource?.className ?? mainClassOf(leak.holding) ?? '';
  const subject = [growth.resource === null ? '' : resourceName(growth.resource.kind), className];
  return findingOf({
    rule,
    title: titleOf(rule, leak),
    remarks: remarksOf(rule, leak, facts),
    stack,
    context: facts.context,
    subject: subject.filter((one) => one !== '').join(' '),
    blockCount: growth.blocks.reduce((sum, one) => sum + one, 0),
    sizeBytes: growth.bytes.reduce((sum, one) => sum + one, 0),
    perIteration: growth.perIteration,
  });
}

function ruleOf({ growth, because, holding }: Leak): FindingRule {
  if (growth.what === 'resource') return 'resource-growth';
  if (growth.what === 'mapping') return 'mapping-growth';
  if (because !== 'held') return because;
  if (growth.what === 'class') return 'owner-growth';
  const isHeldByClass = holding !== null && holding.heldByClassCount * 2 >= holding.blockCount;
  return growth.isRuntime && isHeldByClass ? 'owner-growth' : 'growth';
}

function titleOf(rule: FindingRule, leak: JoinedLeak): string {
  const { growth, stack } = leak;
  const { blocks, bytes } = growth.perIteration;
  const owner = ownerText(stack.owner);
  if (growth.what === 'mapping')
    return `${owner}: a call keeps ${bytesText(bytes)} of mapped memory, on average`;
  if (growth.resource?.kind === ResourceKind.externalMemory)
    return `${owner}: a call tells V8 of ${bytesText(bytes)} of external memory that nobody takes back, on average`;
  if (growth.what === 'resource')
    return `${owner}: ${rateText(blocks, 'keeps', resourceWords(growth), null)}`;
  if (growth.isByBytes)
    return `${owner}: every call makes blocks larger that stay, by ${bytesText(bytes)}`;
  const verb = rule === 'lost' ? 'loses' : rule === 'orphaned' ? 'orphans' : 'keeps';
  const rate = rateText(blocks, verb, 'block', bytes / blocks);
  return growth.what === 'class'
    ? `${owner}: ${rate} for objects of ${escapeText(classText(growth.key))}`
    : `${owner}: ${rate}`;
}

/** "every call loses 1 block of 16 B", "1 call in 9.8 …", "a call keeps 2.5 blocks of 64 B each on average". */
function rateText(perCall: number, verb: string, noun: string, bytesEach: number | null): string {
  const size = bytesEach === null ? '' : ` of ${bytesText(bytesEach)}`;
  if (perCall < 0.95) return `1 call in ${rounded(1 / perCall)} ${verb} 1 ${noun}${size}`;
  const count = rounded(perCall);
  if (count === '1') return `every call ${verb} 1 ${noun}${size}`;
  const isWhole = !count.includes('.');
  const each = size === '' ? '' : `${size} each`;
  return `${isWhole ? 'every call' : 'a call'} ${verb} ${count} ${noun}s${each}${isWhole ? '' : ', on average'}`;
}

/** One digit behind the point, and none where it says nothing. */
function rounded(value: number): string {
  const text = value >= 100 ? String(Math.round(value)) : value.toFixed(1);
  return text.endsWith('.0') ? text.slice(0, -2) : text;
}

const bytesText = (bytes: number): string => formatBytes(Math.round(bytes));

function resourceWords({ resource }: Growth): string {
  const kind = resource?.kind ?? 0;
  const name = resourceName(kind).replaceAll('-', ' ');
  return kind === ResourceKind.reference ? 'napi reference' : name;
}

const roundsShown = 8;

function remarksOf(rule: FindingRule, leak: JoinedLeak, facts: LeakFacts): string[] {
  const { growth, holding } = leak;
  const remarks: string[] = [];
  const isInBytes =
    growth.isByBytes ||
    growth.what === 'mapping' ||
    growth.resource?.kind === ResourceKind.externalMemory;
  const total = isInBytes ? growth.bytes : growth.blocks;
  const text = isInBytes ? bytesText : formatCount;
  const shown = total.slice(-roundsShown).map(text).join(' ');
  remarks.push(`by round of ${formatCount(facts.iterationsPerRound)} calls: ${shown}`);
  const className = mainClassOf(holding) ?? '';
  if (rule === 'orphaned')
    remarks.push(
      `its ${className === '' ? 'object' : escapeText(classText(className))} was collected, nobody called free`,
    );
  else if (rule === 'lost' && holding !== null)
    remarks.push(
      `nothing points to ${formatCount(holding.lostCount)} of the ${formatCount(holding.blockCount)} blocks that came since the warm-up`,
    );
  else if (growth.what === 'class')
    remarks.push(
      `held by ${escapeText(classText(className))} (JS): who keeps these objects? Allocated in ${formatCount(growth.stackIds.length)} stacks, more in this one than in any other:`,
    );
  else if (rule === 'owner-growth')
    remarks.push(`held by ${escapeText(classText(className))} (JS): who keeps these objects?`);
  else if (holding !== null) {
    const why = facts.whyHeld(holding.rows);
    if (why !== null) remarks.push(why);
    if (rule === 'growth')
      remarks.push(
        'somebody holds it, so it could be a cache that was not full yet: then { warmup } must be larger',
      );
  }
  return remarks;
}
