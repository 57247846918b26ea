// Strings of the report, each once; and how much of a name from the traced program is kept. Pure.
import { escapeText } from '../report/index.js';

/** Longer names are cut; the page shows far fewer characters and unfolds this many. */
export const mostChars = 2000;
export const labelChars = 160;

export function cutText(text: string, limit: number): string {
  const characters = text.length <= limit ? null : [...text];
  if (characters === null || characters.length <= limit) return text;
  return `${characters.slice(0, limit).join('')}… (${characters.length} characters)`;
}

/** Of the traced program: nothing in it moves the cursor or reorders the line. */
export const safeText = (text: string, limit = mostChars): string =>
  escapeText(cutText(text, limit));

export class Strings {
  readonly all: string[] = [''];
  readonly #byText = new Map<string, number>([['', 0]]);

  id(text: string): number {
    let id = this.#byText.get(text);
    if (id === undefined) {
      id = this.all.length;
      this.#byText.set(text, id);
      this.all.push(text);
    }
    return id;
  }
}
