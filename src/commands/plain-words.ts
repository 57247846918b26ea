// The command lines that most runs have, read without commander, which takes milliseconds to load while the program
// waits. interpose/launch/words.cc starts the program by the same rules. Must not import commander.
import { type RunWords, runDefaults } from './run-words.js';

export interface PlainWords {
  program: readonly string[];
  options: RunWords;
}

/** null: there is anything else in it, a mistake perhaps. */
export function parsePlainWords(argv: readonly string[]): PlainWords | null {
  const options: RunWords = { ...runDefaults };
  let at = 0;
  for (; at < argv.length && argv[at].startsWith('-'); at++) {
    const word = argv[at];
    if (word === '--') {
      at++;
      break;
    }
    if (word === '-q' || word === '--quiet') {
      options.quiet = true;
      continue;
    }
    if (word === '-f' || word === '--force') {
      options.force = true;
      continue;
    }
    const equals = word.indexOf('=');
    const isJoined = word.startsWith('--') && equals > 0;
    const name = isJoined ? word.slice(0, equals) : word;
    const value = isJoined ? word.slice(equals + 1) : argv[++at];
    if (value === undefined || !take(options, name, value)) return null;
  }
  const program = argv.slice(at);
  return (program[0] ?? '') === '' ? null : { program, options };
}

function take(options: RunWords, name: string, value: string): boolean {
  if (name === '-o' || name === '--output') {
    options.output = value;
    return value !== '';
  }
  if (name === '--events' && (value === 'full' || value === 'none')) {
    options.events = value;
    return true;
  }
  if (name === '--checkpoint' && (value === 'exit' || value === 'none')) {
    options.checkpoint = { atExit: value === 'exit', everyMs: null };
    return true;
  }
  return false;
}
