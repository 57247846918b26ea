// What the clean runs gave, as Markdown.
import { writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { functions } from './functions.mjs';

export function writeReport(path, { results, runCount, build, hasLoad }) {
  const wanted = Object.values(functions).flat().length * runCount;
  const failed = results.filter(({ isClean }) => !isClean);
  const undecided = results.filter(({ verdict }) => verdict?.verdict === 'undecided');
  const loads = results.map(({ load }) => load).sort((a, b) => a - b);
  const lines = [
    '# Clean functions under expectNoLeaks',
    '',
    `${results.length} verdicts of ${wanted} (${runCount} runs of each of ${wanted / runCount} functions): ${failed.length} failed, ${undecided.length} undecided.`,
    '',
    `Written by \`scripts/clean-runs\`, which goes on where it was stopped; build ${build}, Node ${process.version}, ${cpus().length} cores (${cpus()[0]?.model ?? 'unknown'}), ${hasLoad ? 'a load generator on each core' : 'no load generator'}. Load average: ${at(loads, 0)} to ${at(loads, 1)}, median ${at(loads, 0.5)}.`,
    '',
    '| package | functions | verdicts | failed | undecided | seconds, median | longest |',
    '| --- | ---: | ---: | ---: | ---: | ---: | ---: |',
    ...Object.keys(functions).map((name) => packageRow(name, results)),
  ];
  if (failed.length > 0) lines.push('', '## Failed', '');
  for (const { packageName, name, run, message } of failed)
    lines.push(`${packageName}: ${name}, run ${run}:`, '', '```', message.trimEnd(), '```', '');
  if (undecided.length > 0)
    lines.push(
      '',
      '## Undecided',
      '',
      'Something came and went without rising; such a verdict passes.',
      '',
      '| function | verdicts | undecided |',
      '| --- | ---: | ---: |',
      ...undecidedRows(undecided, results),
    );
  writeFileSync(path, `${lines.join('\n').trimEnd()}\n`);
}

function undecidedRows(undecided, results) {
  const nameOf = ({ packageName, name }) => `${packageName}: ${name}`;
  const countOf = (rows, name) => rows.filter((one) => nameOf(one) === name).length;
  return [...new Set(undecided.map(nameOf))].map(
    (name) => `| ${name} | ${countOf(results, name)} | ${countOf(undecided, name)} |`,
  );
}

function packageRow(packageName, results) {
  const own = results.filter((one) => one.packageName === packageName);
  const seconds = own.map((one) => one.seconds).sort((a, b) => a - b);
  const failed = own.filter(({ isClean }) => !isClean).length;
  const undecided = own.filter(({ verdict }) => verdict?.verdict === 'undecided').length;
  return `| ${packageName} | ${functions[packageName].length} | ${own.length} | ${failed} | ${undecided} | ${at(seconds, 0.5)} | ${at(seconds, 1)} |`;
}

function at(sorted, share) {
  const value = sorted[Math.round(share * (sorted.length - 1))];
  return value === undefined ? '' : value.toFixed(1);
}
