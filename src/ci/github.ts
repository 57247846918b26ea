// Workflow commands that GitHub shows as annotations, at the line of the finding. Pure.
//
// Format and escaping as the toolkit's core/src/command.ts has them: a message may hold anything but %, CR
// and LF, a property neither these nor ":" and ",".
import type { CheckFinding } from '../checks/index.js';
import { escapeText } from '../report/index.js';
import { type CiContext, packageText, sortFindings, textLines } from './context.js';
import { placeOf, shownPlace } from './places.js';
import { ruleWords } from './rules.js';

type Command = 'error' | 'warning' | 'notice';

/** GitHub shows ten of each kind from one step and drops the others silently. */
const shownOfKind = 10;
/** An annotation is for a glance; the whole is in the log and the summary. */
const messageChars = 4000;

const escapeData = (text: string): string =>
  text.replaceAll('%', '%25').replaceAll('\r', '%0D').replaceAll('\n', '%0A');

const escapeProperty = (text: string): string =>
  escapeData(text).replaceAll(':', '%3A').replaceAll(',', '%2C');

/** One command a line, to be written to the step's standard output, each on a line of its own. */
export function githubAnnotations(findings: readonly CheckFinding[], context: CiContext): string[] {
  const { errors, warnings, notes } = sortFindings(findings);
  const unjudged = context.unjudged.map((sentence) =>
    command('warning', { title: 'memprof: not judged' }, escapeText(sentence)),
  );
  return [
    ...capped(
      'error',
      errors.map((one) => annotation('error', one, context)),
    ),
    ...capped('warning', [
      ...warnings.map((one) => annotation('warning', one, context)),
      ...unjudged,
    ]),
    ...capped(
      'notice',
      notes.map((one) => annotation('notice', one, context)),
    ),
  ];
}

/** The last one that GitHub shows tells of those that it would not. */
function capped(kind: Command, commands: string[]): string[] {
  if (commands.length <= shownOfKind) return commands;
  const shown = commands.slice(0, shownOfKind - 1);
  const left = commands.length - shown.length;
  const text = `${left} more of this level: GitHub shows ${shownOfKind} annotations of a kind. All are in the log and in the summary.`;
  return [...shown, command(kind, { title: `memprof: ${left} more` }, text)];
}

function annotation(kind: Command, finding: CheckFinding, context: CiContext): string {
  const properties: Record<string, string> = {};
  const place = shownPlace(finding, context.root);
  const where = place === null ? null : placeOf(place.file, context.root);
  // GitHub cannot show a line of a file that is not in the repository; the message has the stack.
  if (place !== null && where?.kind === 'inside') {
    properties['file'] = where.path;
    properties['line'] = String(place.line);
    if (place.column !== null) properties['col'] = String(place.column);
  }
  properties['title'] =
    `memprof: ${ruleWords[finding.rule].short} in ${escapeText(packageText(finding))}`;
  return command(kind, properties, truncated(textLines(finding).map(escapeText).join('\n')));
}

function truncated(text: string): string {
  if (text.length <= messageChars) return text;
  const end = text.lastIndexOf('\n', messageChars);
  const kept = text.slice(0, end > 0 ? end : messageChars).replace(/[\ud800-\udbff]$/, '');
  return `${kept}\n… (the rest is in the log)`;
}

function command(kind: Command, properties: Record<string, string>, message: string): string {
  const list = Object.entries(properties)
    .map(([name, value]) => `${name}=${escapeProperty(value)}`)
    .join(',');
  return `::${kind} ${list}::${escapeData(message)}`;
}
