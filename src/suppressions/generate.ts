// Suppressions for findings, in the words of either tool. A comment holds each to its finding: the tools' own
// patterns cannot say "this stack alone", and pass comments over.

import { pathOfName } from './mangled.js';
import { allocatingFrames, kindOf, matchRule, type Suppressible } from './match.js';
import { parseSuppressions } from './parse.js';
import type { SuppressionFormat } from './rule.js';

type Described = Suppressible & { title: string };

export function generateSuppressions(
  findings: readonly Described[],
  format: SuppressionFormat,
): string[] {
  const lines: string[] = [];
  const seen = new Set<string>();
  for (const finding of findings) {
    if (finding.rule === 'budget' || seen.has(finding.fingerprint)) continue;
    seen.add(finding.fingerprint);
    if (lines.length > 0) lines.push('');
    lines.push(`# ${oneLine(finding.title)}`);
    const rule = ruleFor(finding, format);
    if (rule === null) lines.push('# (no name is known that a rule could match)');
    else lines.push(...rule);
  }
  return lines;
}

/** The first of the patterns that hides the finding: a name may hold signs that no pattern can say. */
function ruleFor(finding: Described, format: SuppressionFormat): string[] | null {
  for (const pattern of patternsOf(finding)) {
    const lines = [
      `# memprof: finding ${finding.fingerprint}`,
      ...(format === 'lsan' ? [`leak:${pattern.text}`] : entryLines(finding, pattern)),
    ];

    if (parseSuppressions(lines.join('\n'), '').some((rule) => matchRule(rule, finding)))
      return lines;
  }
  return null;
}

function entryLines(finding: Described, { is, text }: Pattern): string[] {
  return [
    '{',
    `   ${finding.rule}: ${text.replace(/^\//, '')}`,
    '   Memcheck:Leak',
    `   match-leak-kinds: ${kindOf(finding.rule)}`,
    '   ...',
    `   ${is === 'function' ? `fun:${globOf(text)}` : `obj:*${text}`}`,
    '}',
  ];
}

interface Pattern {
  is: 'function' | 'module';
  text: string;
}

/** The package's nearest functions that have names of their own, then what they lie in. */
function patternsOf(finding: Described): Pattern[] {
  const [start, end] = allocatingFrames(finding);
  const near = finding.stack.slice(start, end);
  const frames = [...near.filter((one) => one.packageName === finding.packageName), ...near];
  const patterns: Pattern[] = [];
  const add = (is: Pattern['is'], name: string) => {
    const text = templateText(name);
    if (text !== null) patterns.push({ is, text });
  };
  for (const { name } of frames) {
    const path = pathOfName(name, '*');
    if (!/^(?:std|__gnu_cxx|core|alloc)::|\+0x[0-9a-f]+$/.test(path)) add('function', path);
  }
  for (const { module } of frames)
    if (module !== null) add('module', module.slice(module.lastIndexOf('/')));
  add('module', finding.packageName);
  return patterns;
}

/** What the patterns take as it stands: other signs become "*". null: nothing is left. */
function templateText(name: string): string | null {
  const text = name.replace(/[\u0000-\u0020*?$^{}]+/g, '*').replace(/^\*|\*$/g, '');
  return /\w/.test(text) ? text : null;
}

/** Fits the mangled name, which valgrind compares, and the demangled one. */
const globOf = (path: string): string =>
  `*${path
    .split(/[^\w]+/)
    .filter((word) => word !== '')
    .join('*')}*`;

const oneLine = (text: string): string => text.replace(/[\u0000-\u001f{}]+/g, ' ').trim();
