// Rules against findings. A rule hides a finding by what allocates, not by who called long before: rules that
// name main, node::Start or uv_run would hide everything. So a rule must match one of the allocating frames (see
// allocatingFrames) or the package, unless its file says "# memprof: match the whole stack".
import type { CheckFinding, FindingFrame, FindingRule } from '../checks/index.js';
import { globOfMangled, pathOfName } from './mangled.js';
import { isEmptyGlob, matchesGlob, matchesTemplate } from './patterns.js';
import { type FramePattern, type LeakKind, ruleText, type SuppressionRule } from './rule.js';

export type Suppressible = Pick<CheckFinding, 'rule' | 'packageName' | 'stack' | 'fingerprint'>;

export interface Suppressed<Finding> {
  /** All of them, with the rule that hides them where one does. */
  findings: Finding[];
  used: Set<SuppressionRule>;
  /** Rules that hide findings of the package under test. */
  hidden: { rule: SuppressionRule; finding: Finding }[];
}

export function suppress<Finding extends Suppressible & { suppressedBy: string | null }>(
  findings: readonly Finding[],
  rules: readonly SuppressionRule[],
  packageUnderTest: string | null,
): Suppressed<Finding> {
  const used = new Set<SuppressionRule>();
  const hidden: { rule: SuppressionRule; finding: Finding }[] = [];
  const answered = findings.map((finding) => {
    const matching = rules.filter((rule) => matchRule(rule, finding));
    // Every rule that would do is in use: who deletes one of two is not told that the other was not needed.
    for (const rule of matching) used.add(rule);
    if (matching.length === 0) return finding;
    if (finding.packageName !== '' && finding.packageName === packageUnderTest)
      hidden.push({ rule: matching[0], finding });
    return { ...finding, suppressedBy: ruleText(matching[0]) };
  });
  return { findings: answered, used, hidden };
}

export function matchRule(rule: SuppressionRule, finding: Suppressible): boolean {
  // A budget is the user's own word, and no leak.
  if (finding.rule === 'budget') return false;
  if (rule.fingerprint !== null && rule.fingerprint !== finding.fingerprint) return false;
  return rule.format === 'lsan'
    ? matchesLeakTemplate(rule, finding)
    : (rule.kinds === null || rule.kinds.has(kindOf(finding.rule))) && matchesFrames(rule, finding);
}

const allocationFunction =
  /^(?:operator new\b|(?:malloc|calloc|realloc|reallocarray|memalign|aligned_alloc|posix_memalign|valloc|pvalloc)$)/;

/**
 * Which frames say what allocated: behind malloc and operator new, the libraries that the package called, and the
 * package's own code up to where it was called from elsewhere. Start and end, as of a slice.
 */
export function allocatingFrames({ stack, packageName }: Suppressible): [number, number] {
  let start = 0;
  while (start < stack.length && allocationFunction.test(stack[start].name)) start++;
  const isOwn = (frame: FindingFrame) => frame.packageName === packageName;
  const isNative = (frame: FindingFrame) => frame.kind === 'native';
  let end = packageName === '' ? -1 : stack.findIndex((one) => isNative(one) && isOwn(one));
  if (end < 0) {
    // Whose it is was not told by a package: the code of one module, the nearest.
    const module = stack[start]?.module ?? null;
    end = start;
    while (end < stack.length && isNative(stack[end]) && stack[end].module === module) end++;
    return [start, end];
  }
  // Behind a library that the addon called, which counts as its package's, comes the addon itself.
  while (end < stack.length && isNative(stack[end]) && (isOwn(stack[end]) || isAddon(stack[end])))
    end++;
  return [Math.min(start, end), end];
}

const isAddon = ({ module }: FindingFrame): boolean => module?.endsWith('.node') === true;

function matchesLeakTemplate(
  { template, scope }: SuppressionRule & { format: 'lsan' },
  finding: Suppressible,
): boolean {
  if (finding.packageName !== '' && matchesTemplate(template, finding.packageName)) return true;
  const [start, end] = allocatingFrames(finding);
  const frames = scope === 'stack' ? finding.stack : finding.stack.slice(start, end);
  return frames.some(
    ({ name, file, module }) =>
      matchesTemplate(template, name) ||
      matchesTemplate(template, file ?? '') ||
      matchesTemplate(template, module ?? ''),
  );
}

/** valgrind's word for what a finding is. */
export function kindOf(rule: FindingRule): LeakKind {
  return rule === 'lost' || rule === 'orphaned' ? 'definite' : 'reachable';
}

/** Where valgrind sees its own malloc, findings begin with who called it. */
const valgrindModule = '/usr/libexec/valgrind/vgpreload_memcheck-amd64-linux.so';
const valgrindAllocators = [
  'malloc',
  'calloc',
  'realloc',
  'reallocarray',
  'memalign',
  'aligned_alloc',
  'posix_memalign',
  'valloc',
  'pvalloc',
  'operator new',
  'operator new[]',
];
type ShownFrame = FindingFrame | 'allocator';

function matchesFrames(
  { frames, scope }: SuppressionRule & { format: 'valgrind' },
  finding: Suppressible,
): boolean {
  const [start, end] = allocatingFrames(finding);
  const behind = finding.stack.slice(start);
  // An entry may begin with malloc, as valgrind writes them, or with its caller.
  const shown: [ShownFrame[], number][] = [
    [['allocator', ...behind], 1],
    [behind, 0],
    [finding.stack.slice(), start],
  ];
  return shown.some(([stack, from]) => {
    const isTelling = (at: number) => scope === 'stack' || (at >= from && at < from + end - start);
    return matchesPrefix(frames, stack, isTelling);
  });
}

/**
 * Whether the patterns match the stack from its first frame on, to any depth; at least one that says something
 * must fall on a telling frame.
 */
function matchesPrefix(
  patterns: readonly FramePattern[],
  stack: readonly ShownFrame[],
  isTelling: (at: number) => boolean,
): boolean {
  // reached[at]: 0 not, 1 reached, 2 reached with a telling frame matched; before frame `at`.
  let reached = new Uint8Array(stack.length + 1);
  reached[0] = 1;
  for (const pattern of patterns) {
    const next = new Uint8Array(stack.length + 1);
    for (let at = 0; at <= stack.length; at++) {
      if (pattern.is === 'any') {
        next[at] = Math.max(reached[at], at === 0 ? 0 : next[at - 1]);
      } else if (at < stack.length && reached[at] > 0 && matchesFrame(pattern, stack[at])) {
        const tells = isTelling(at) && !isEmptyGlob(pattern.glob);
        next[at + 1] = tells ? 2 : reached[at];
      }
    }
    reached = next;
  }
  return reached.includes(2);
}

function matchesFrame(pattern: Exclude<FramePattern, { is: 'any' }>, frame: ShownFrame): boolean {
  if (frame === 'allocator') {
    if (pattern.is === 'obj') return matchesGlob(pattern.glob, valgrindModule);
    return (
      pattern.is === 'fun' && valgrindAllocators.some((name) => matchesName(pattern.glob, name))
    );
  }
  switch (pattern.is) {
    case 'fun':
      return matchesName(pattern.glob, frame.name);
    case 'obj':
      return matchesGlob(pattern.glob, frame.module ?? '');
    case 'src':
      return (
        matchesGlob(pattern.glob, frame.file ?? '') &&
        (pattern.line === null || pattern.line === frame.line)
      );
  }
}

function matchesName(glob: string, name: string): boolean {
  if (matchesGlob(glob, name)) return true;
  const mangled = globOfMangled(glob);
  return mangled !== null && matchesGlob(mangled, pathOfName(name));
}
