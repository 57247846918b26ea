// docs/commands.md is the reference: what --help of a command offers stands in the command's section, and nothing
// else does.
import test from 'ava';
import { memprofBin, run, runBin } from '../e2e/support/run.js';
import { readPage } from './markdown.js';

const page = readPage('docs/commands.md');

/** From a heading to the next of its rank or above. */
function section(heading: string): string {
  const from = page.indexOf(`\n${heading}\n`);
  if (from < 0) throw new Error(`docs/commands.md has no heading "${heading}"`);
  const rank = heading.indexOf(' ');
  const text = page.slice(from + heading.length + 2);
  const end = text.search(new RegExp(`^#{1,${rank}} `, 'm'));
  return end < 0 ? text : text.slice(0, end);
}

const shared = section('### Options that several commands have');
const filters = shared.slice(shared.indexOf('**Which memory**'), shared.indexOf('**When**'));

/** Of a command of memprof; the word Filters stands for the table of filters. */
function sectionOf(command: string): string {
  if (command === 'live') return section('### The live view');
  const own = section(`### memprof ${command}`);
  return /\bFilters\b/.test(own) ? own + filters : own;
}

async function help(bin: string, ...words: string[]): Promise<string> {
  const outcome = await run([process.execPath, bin, ...words, '--help']);
  if (outcome.code !== 0) throw new Error(outcome.stderr);
  return outcome.stdout;
}

/** Long names, as --help lists them at the beginning of a line. */
const offered = (text: string) =>
  [...text.matchAll(/^ {2}(?:-\w, )?--([\w-]+)/gm)].map(([, name]) => name as string);

/** Long names in the first column of the section's tables. */
const inTables = (text: string) =>
  [...text.matchAll(/^\| ([^|]*)/gm)].flatMap(([, cell]) =>
    [...(cell as string).matchAll(/--([a-z][\w-]*)/g)].map(([, name]) => name as string),
  );

function missing(names: readonly string[], text: string): string[] {
  return names.filter((name) => !new RegExp(`(?<![\\w-])--${name}(?![\\w-])`).test(text));
}

const commandLists = await help(memprofBin);
const commands = [...commandLists.matchAll(/^ {2}([a-z]+) (?:\[options\] )?</gm)]
  .map(([, name]) => name as string)
  .filter((name) => name !== 'help');
const helps = new Map(
  await Promise.all(commands.map(async (name) => [name, await help(memprofBin, name)] as const)),
);

test('every option of every command stands in its section of docs/commands.md', (t) => {
  t.true(commands.length >= 16, commands.join(' '));
  for (const [command, text] of helps) {
    const names = offered(text).filter((name) => name !== 'help');
    t.true(command === 'live' || names.length > 0, command);
    t.deepEqual(missing(names, sectionOf(command)), [], `memprof ${command}`);
  }
});

test('options that docs/commands.md lists for a command exist', (t) => {
  for (const [command, text] of helps) {
    const names = inTables(
      section(command === 'live' ? '### The live view' : `### memprof ${command}`),
    );
    t.deepEqual(missing(names, text), [], `memprof ${command}`);
  }
});

test('memprof’s own options and its list of commands are complete in docs/commands.md', (t) => {
  const intro = section('## memprof').split('\n### ')[0] as string;
  t.deepEqual(missing(offered(commandLists), intro), []);
  const listed = [...intro.matchAll(/^\| (.*?) \|/gm)].flatMap(([, cell]) =>
    [...(cell as string).matchAll(/\[`([a-z]+)`\]/g)].map(([, name]) => name),
  );
  t.deepEqual(listed.sort(), [...commands].sort());
});

test('memprof-run’s options stand in docs/commands.md, and those listed there exist', async (t) => {
  const text = await help(runBin);
  const own = section('## memprof-run');
  t.deepEqual(missing(offered(text), own), []);
  t.deepEqual(missing(inTables(own.split('\n### ')[0] as string), text), []);
});

test('help of a command is no failure, and of none that exists is one', async (t) => {
  const memprof = (...words: string[]) => run([process.execPath, memprofBin, ...words]);
  t.like(await memprof('help'), { code: 0, stdout: commandLists });
  t.like(await memprof('help', 'sites'), { code: 0, stdout: helps.get('sites') });
  t.like(await memprof('help', 'nonsense'), {
    code: 2,
    stderr: "memprof: unknown command 'nonsense'. See memprof --help.\n",
  });
});
