// JUnit XML: one suite, a test case for each package and rule. Pure.
//
// There is no one schema. This is what Ant's and Jenkins' agree on (at most one <failure> a case,
// <properties>, <system-out> and <system-err> of the suite), so GitLab, Azure and the others read it too.
// <skipped> is Jenkins'.
import type { CheckFinding } from '../checks/index.js';
import {
  type CiContext,
  countText,
  inOrder,
  packageText,
  textLines,
  verdictText,
} from './context.js';
import { ruleWords } from './rules.js';
import { xmlLines, xmlValue } from './xml.js';

interface TestCase {
  /** Whose. */
  className: string;
  name: string;
  result: 'passed' | 'failed' | 'skipped';
  lines: string[];
}

export function junitXml(findings: readonly CheckFinding[], context: CiContext): string {
  const cases = [...findingCases(findings), ...context.unjudged.map(unjudgedCase)];
  // A suite without a case counts as an error in some systems.
  if (cases.length === 0) cases.push(passedCase());
  const seconds = ((context.durationMs ?? 0) / 1000).toFixed(3);
  const count = (result: TestCase['result']) => cases.filter((one) => one.result === result).length;
  const skippedCount = count('skipped');
  const attributes = {
    name: 'memprof',
    package: 'memprof',
    id: '0',
    tests: String(cases.length),
    failures: String(count('failed')),
    errors: '0',
    ...(skippedCount === 0 ? {} : { skipped: String(skippedCount) }),
    time: seconds,
    hostname: 'localhost',
    ...(context.startedMs === undefined ? {} : { timestamp: timestamp(context.startedMs) }),
  };
  const properties = {
    'memprof.version': context.toolVersion,
    'memprof.command': context.command,
    'memprof.processes': String(context.processCount),
    ...(context.endedStatus === null ? {} : { 'memprof.exitStatus': String(context.endedStatus) }),
  };
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    '<testsuites>',
    `  <testsuite${attributesText(attributes)}>`,
    '    <properties>',
    ...Object.entries(properties).map(
      ([name, value]) => `      <property${attributesText({ name, value })}/>`,
    ),
    '    </properties>',
    ...cases.flatMap(caseLines),
    `    <system-out>${xmlLines(suiteLines(findings, context))}</system-out>`,
    '    <system-err></system-err>',
    '  </testsuite>',
    '</testsuites>',
    '',
  ].join('\n');
}

/** What fails nothing is told by the suite: Ant's schema has no place for it in a case. */
function suiteLines(findings: readonly CheckFinding[], context: CiContext): string[] {
  const others = inOrder(findings).filter(
    (one) => one.level !== 'error' && one.suppressedBy === null,
  );
  return [
    verdictText(findings, context),
    ...others.flatMap((one) => ['', `${one.level} (${packageText(one)}):`, ...textLines(one)]),
  ];
}

function findingCases(findings: readonly CheckFinding[]): TestCase[] {
  const groups = new Map<string, CheckFinding[]>();
  for (const finding of inOrder(findings)) {
    const key = JSON.stringify([finding.packageName, finding.rule]);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [finding]);
    else group.push(finding);
  }
  return [...groups.values()].map(findingCase);
}

function findingCase(group: readonly CheckFinding[]): TestCase {
  const [first] = group as readonly [CheckFinding];
  const shared = { className: packageText(first), name: ruleWords[first.rule].short };
  const active = group.filter((one) => one.suppressedBy === null);
  if (active.length === 0) {
    const lines = group.map((one) => `suppressed by ${one.suppressedBy}: ${one.title}`);
    return { ...shared, result: 'skipped', lines };
  }
  const errors = active.filter((one) => one.level === 'error');
  if (errors.length === 0) return { ...shared, result: 'passed', lines: [] };
  const more = errors.length === 1 ? '' : ` (and ${countText(errors.length - 1, 'more site')})`;
  const lines = errors.flatMap((one, at) => [...(at === 0 ? [] : ['']), ...textLines(one)]);
  return {
    ...shared,
    result: 'failed',
    lines: [`${(errors[0] as CheckFinding).title}${more}`, ...lines],
  };
}

const unjudgedCase = (sentence: string, at: number): TestCase => ({
  className: 'memprof',
  name: `not judged ${at + 1}`,
  result: 'skipped',
  lines: [sentence],
});

const passedCase = (): TestCase => ({
  className: 'memprof',
  name: 'no leaks',
  result: 'passed',
  lines: [],
});

function caseLines({ className, name, result, lines }: TestCase): string[] {
  const open = `    <testcase${attributesText({ classname: className, name, time: '0' })}`;
  switch (result) {
    case 'passed':
      return [`${open}/>`];
    case 'skipped':
      return [`${open}>`, `      <skipped>${xmlLines(lines)}</skipped>`, '    </testcase>'];
    case 'failed': {
      const [message, ...content] = lines as [string, ...string[]];
      const attributes = attributesText({ type: name, message });
      return [
        `${open}>`,
        `      <failure${attributes}>${xmlLines(content)}</failure>`,
        '    </testcase>',
      ];
    }
  }
}

function attributesText(attributes: Record<string, string>): string {
  return Object.entries(attributes)
    .map(([name, value]) => ` ${name}="${xmlValue(value)}"`)
    .join('');
}

/** In UTC without saying so: the schema wants no zone. */
const timestamp = (ms: number): string => new Date(ms).toISOString().slice(0, 19);
