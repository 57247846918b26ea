// The options of memprof-run that belong to --check, as commander gives them.
import { MemprofError } from '../errors.js';
import type { SuppressionFormat } from '../suppressions/index.js';
import type { Check } from './check-setup.js';

export interface CheckWords {
  /** '' : --check alone. */
  check?: string;
  suppressions?: string[];
  genSuppressions?: string;
  annotations?: boolean;
  sarif?: string;
  junit?: string;
  summary?: string;
}

/** null: not asked for. Only --check pays for what it needs: configuration, suppressions. */
export async function checkOf(
  words: CheckWords,
  run: { hasCheckpoints: boolean; hasEvents: boolean },
): Promise<Check | null> {
  const { check, suppressions = [], genSuppressions, annotations, sarif, junit, summary } = words;
  if (check === undefined) {
    const given: [string, unknown][] = [
      ['--suppressions', suppressions[0]],
      ['--gen-suppressions', genSuppressions],
      ['--annotations', annotations],
      ['--sarif', sarif],
      ['--junit', junit],
      ['--summary', summary],
    ];
    const lone = given.find(([, value]) => value !== undefined);
    if (lone !== undefined) fail(`${lone[0]} is for --check, which was not given. Add it`);
    return null;
  }
  const { prepareCheck } = await import('./check-setup.js');
  const options = {
    check,
    suppressions,
    genSuppressions: formatOf(genSuppressions),
    annotations: annotations === true,
    ...(sarif === undefined ? {} : { sarif }),
    ...(junit === undefined ? {} : { junit }),
    ...(summary === undefined ? {} : { summary }),
  };
  return prepareCheck(options, run, process.cwd());
}

function formatOf(word: string | undefined): SuppressionFormat | null {
  if (word === undefined) return null;
  if (word === 'lsan' || word === 'valgrind') return word;
  return word === '' ? 'lsan' : fail(`--gen-suppressions=${word}: there are lsan and valgrind`);
}

function fail(fact: string): never {
  throw new MemprofError('ERR_MEMPROF_USAGE', fact);
}

interface OptionShape {
  short?: string | undefined;
  long?: string | undefined;
  required: boolean;
  optional: boolean;
}

/**
 * An option whose value may be left out takes it behind "=" only: in "--check npm test" npm is the program. To
 * commander such options get an empty value, as far as the words are ours.
 */
export function withEmptyValues(
  words: readonly string[],
  options: readonly OptionShape[],
): string[] {
  const made = [...words];
  for (let at = 0; at < made.length; at++) {
    const word = made[at];
    if (!word.startsWith('-') || word === '-' || word === '--') break;
    if (word.startsWith('--')) {
      const option = options.find((one) => one.long === word);
      if (option?.optional === true) made[at] = `${word}=`;
      else if (option?.required === true) at++;
      continue;
    }
    // "-qo FILE": the last of the letters takes the next word, one before it the rest of this.
    for (let letter = 1; letter < word.length; letter++) {
      const option = options.find((one) => one.short === `-${word[letter]}`);
      if (option?.required !== true) continue;
      if (letter === word.length - 1) at++;
      break;
    }
  }
  return made;
}
