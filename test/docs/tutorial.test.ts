// docs/tutorial.md, run from top to bottom: what it says that commands print, they print. Bytes and times vary, so
// what is compared is what the reader is to learn from them: functions, lines, verdicts, exit statuses.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import { packageRoot } from '../../src/paths.js';
import { buildWithNodeGyp } from '../e2e/support/npm.js';
import { projectOf } from '../testing/project.js';
import { codeBlocks, readPage, type Step, stepsOf } from './markdown.js';

const page = readPage('docs/tutorial.md');
const example = join(packageRoot, 'examples', 'tutorial');

/** Parts of lines that hold on every machine. What V8 inlines, and which old words point somewhere, does not. */
const facts: readonly RegExp[] = [
  /^.* imported, .*$/, // the program itself
  /^ +\w+ +src\/[\w.]+:\d+$/, // a frame of the addon
  /\bparse_track \(?addon\.cc:\d+/,
  /^gps-track [\d.]+(?=: .* to act on)/,
  /\blost: /,
  /^ +(lost|lost behind others|held by native code|Node's own|total)(?= +\d.* +\d)/,
  /^Nothing is lost or orphaned\.$/,
  /std::vector<double> storage, lost behind others/,
  /nothing points to it$/,
  /^[✔✖] .*(?= \()/,
  /expectNoLeaks at .*$/,
  /gps-track [\d.]+: every call loses .*$/,
  /^memprof check: .*$/,
  /^before\.html(?=: )/,
];

function factsIn(lines: readonly string[]): string[] {
  return lines.flatMap((line) =>
    facts.flatMap((fact) => {
      const found = fact.exec(line)?.[0];
      return found === undefined ? [] : [collapse(found)];
    }),
  );
}

const collapse = (text: string) => text.replace(/ +/g, ' ').trim();
const withoutColours = (text: string) => text.replace(/\x1b\[[\d;]*m/g, '');

/** In the order of the page, but that what it shows of the time before the repair comes before the repair. */
function stepsToRun(): Step[] {
  const steps = (info: string) =>
    codeBlocks(page)
      .filter((block) => block.info === info)
      .flatMap(stepsOf);
  const inOrder = steps('console');
  const repair = inOrder.findIndex(({ command }) => command.startsWith('git apply '));
  return [...inOrder.slice(0, repair), ...steps('console before'), ...inOrder.slice(repair)];
}

test('the tutorial’s commands find the leak, and after its repair find none, as the page says', async (t) => {
  t.timeout(5 * 60_000);
  const project = await projectOf(t, example, packageRoot);
  const steps = stepsToRun();
  let status = 0;
  for (const [at, { command, output }] of steps.entries()) {
    if (command === 'echo $?') {
      t.is(String(status), output.join('\n'), `status of ${steps[at - 1]?.command}`);
      continue;
    }
    if (command.startsWith('cd ')) {
      t.is(join(packageRoot, command.slice(3)), example);
      continue;
    }
    if (command === 'npm install' || command === 'npm run build') {
      await buildWithNodeGyp(project.folder);
      continue;
    }
    const outcome = await project.run(['bash', '-c', command.replace(/^npx /, '')]);
    status = outcome.code ?? -1;
    const printed = withoutColours(`${outcome.stdout}\n${outcome.stderr}`);
    if (steps[at + 1]?.command !== 'echo $?') t.is(status, 0, `${command}\n${printed}`);
    if (command.startsWith('sed ')) {
      t.deepEqual(outcome.stdout.split('\n').slice(0, -1), output);
      continue;
    }
    const said = factsIn(output);
    t.true(output.length === 0 || said.length > 0, `nothing to compare in what ${command} prints`);
    const collapsed = printed.split('\n').map(collapse).join('\n');
    for (const fact of said)
      t.true(collapsed.includes(fact), `${command} does not print "${fact}"\n${printed}`);
  }
  t.true(steps.length > 15);

  // What step 3 warns of.
  const late = await project.run(['memprof', 'leaks', 'before.mprof']);
  t.is(late.code, 0, late.stderr);
  t.regex(late.stderr, /^memprof: \S*gps_track\.node is not the file that ran: .*\n$/);
  t.regex(late.stdout, /gps_track\.node\+0x/);
});

test('the tutorial shows its test and its repair as they are', async (t) => {
  const shown = (info: string) => codeBlocks(page).find((block) => block.info === info)?.text;
  t.is(shown('js'), await readFile(join(example, 'test', 'leaks.test.mjs'), 'utf8'));
  t.is(shown('diff'), await readFile(join(example, 'fix.patch'), 'utf8'));
});
