// One way to make a finding, whoever found it: rounds of a test or the checkpoint of a whole run. Pure.
import { createHash } from 'node:crypto';
import { eachLine, frameText, type StackContext, stackLines, wrap } from '../report/index.js';
import { baseName, type NamedFrame, type NamedStack, type StackFrame } from '../symbols/index.js';
import type { CheckFinding, FindingFrame, FindingRule } from './finding.js';

export interface FindingFacts {
  rule: FindingRule;
  /** 'error' where it is not given. */
  level?: CheckFinding['level'];
  /** One line, facts with their units, escaped where it quotes the program. */
  title: string;
  /** What the title leaves out, a sentence each: who holds it, how it grows. Escaped. */
  remarks?: readonly string[];
  /** null: it comes from no one place (a class of objects, a package's mappings). */
  stack: NamedStack | null;
  /** For the stack's lines. */
  context: StackContext;
  /** Where the stack does not say it. */
  packageName?: string;
  /** Tells findings of one rule and package apart where there is no stack: a class, a kind of resource. */
  subject?: string;
  blockCount: number;
  sizeBytes: number;
  perIteration?: CheckFinding['perIteration'];
  suppressedBy?: string | null;
}

/** What test runners and most terminals leave readable, indented as they do it. */
export const findingColumns = 80;
const mostStackLines = 16;

export function findingOf(facts: FindingFacts): CheckFinding {
  const { rule, stack, context, title, blockCount, sizeBytes } = facts;
  const packageName = facts.packageName ?? packageNameOf(stack);
  const remarks = (facts.remarks ?? []).flatMap((one) => wrap(one, findingColumns, '  ', '    '));
  const lines =
    stack === null
      ? []
      : stackLines(stack, context, {
          columns: findingColumns,
          indent: 4,
          maxLines: mostStackLines,
        });
  return {
    rule,
    level: facts.level ?? 'error',
    packageName,
    title,
    details: [...wrap(title, findingColumns, '', '  '), ...remarks, ...lines],
    place: stack === null ? null : placeToPointAt(stack, context),
    stack: stack === null ? [] : stack.frames.map((frame) => findingFrame(frame, stack)),
    blockCount,
    sizeBytes,
    perIteration: facts.perIteration ?? null,
    suppressedBy: facts.suppressedBy ?? null,
    fingerprint: fingerprintOf(rule, packageName, facts.subject ?? '', stack, context),
  };
}

/** As `--package` takes it. */
export function packageNameOf(stack: NamedStack | null): string {
  if (stack?.owner.kind === 'node') return 'node';
  return stack?.owner.package?.name ?? '';
}

/** The allocating module's own code, and in its place where nobody knows its files, the JavaScript that called it. */
function placeToPointAt(stack: NamedStack, context: StackContext): CheckFinding['place'] {
  const { module } = stack.owner;
  const candidates: NamedFrame[] = [];
  eachLine(stack.frames, context, (frame, kind) => {
    if (kind === null && frame.kind !== 'marker' && frame.file !== null && frame.line !== null)
      candidates.push(frame);
  });
  const chosen =
    candidates.find((frame) => frame.kind === 'native' && frame.module === module) ??
    candidates.find((frame) => frame.kind === 'js');
  if (chosen === undefined) return null;
  const { file, line, column } = chosen as NamedFrame & { file: string; line: number };
  return { file, line, column };
}

function findingFrame(frame: StackFrame, stack: NamedStack): FindingFrame {
  if (frame.kind === 'marker') {
    return {
      kind: 'marker',
      name: frame.text,
      file: null,
      line: null,
      column: null,
      module: null,
      packageName: null,
    };
  }
  const isOwners = frame.module !== null && frame.module === stack.owner.module;
  return {
    kind: frame.kind === 'native' ? 'native' : 'js',
    name: frame.function ?? frameText(frame),
    file: frame.file,
    line: frame.line,
    column: frame.column,
    module: frame.module,
    packageName: isOwners
      ? (stack.owner.package?.name ?? null)
      : packageOfPath(frame.kind === 'js' ? frame.file : frame.module),
  };
}

function packageOfPath(path: string | null): string | null {
  const found = /.*\/node_modules\/(@[^/]+\/[^/]+|[^/@][^/]*)\//.exec(path ?? '');
  return found === null ? null : found[1];
}

/**
 * Names alone: lines, addresses, versions and inlining change with every build, and how Node or a test runner
 * came to the call says nothing of the fault.
 */
function fingerprintOf(
  rule: FindingRule,
  packageName: string,
  subject: string,
  stack: NamedStack | null,
  context: StackContext,
): string {
  const names: string[] = [];
  eachLine(stack?.frames ?? [], context, (frame, kind) => {
    if (frame.kind === 'marker' || kind !== null) return;
    const name = frame.function ?? baseName(frame.module ?? frame.file ?? '');
    if (names.at(-1) !== name) names.push(name);
  });
  const parts = [rule, packageName, subject, ...names];
  return createHash('sha256').update(parts.join('\0')).digest('hex').slice(0, 16);
}
