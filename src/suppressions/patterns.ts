// The two tools' patterns for one text.

/**
 * LeakSanitizer's template: found anywhere in the text; "*" is any text, "^" at the start and "$" hold it to the
 * ends. As there (sanitizer_common's TemplateMatch), each part is looked for from the left once: "b$" does not
 * match "ab b".
 */
export function matchesTemplate(template: string, text: string): boolean {
  if (text === '') return false;
  let isAtStart = template.startsWith('^');
  let isAfterStar = false;
  let rest = isAtStart ? template.slice(1) : template;
  let left = text;
  while (rest !== '') {
    if (rest[0] === '*') {
      rest = rest.slice(1);
      isAtStart = false;
      isAfterStar = true;
      continue;
    }
    if (rest[0] === '$') return left === '' || isAfterStar;
    if (left === '') return false;
    const end = rest.search(/[*$]/);
    const part = end < 0 ? rest : rest.slice(0, end);
    const at = left.indexOf(part);
    if (at < 0 || (isAtStart && at !== 0)) return false;
    left = left.slice(at + part.length);
    rest = end < 0 ? '' : rest.slice(end);
    isAtStart = false;
    isAfterStar = false;
  }
  return true;
}

/** valgrind's: the whole text; "*" is any text, "?" one character. Takes time of length by length at most. */
export function matchesGlob(glob: string, text: string): boolean {
  let [at, star, afterStar] = [0, -1, 0];
  for (let i = 0; i < text.length; ) {
    if (glob[at] === '*') {
      star = at++;
      afterStar = i;
    } else if (at < glob.length && (glob[at] === '?' || glob[at] === text[i])) {
      at++;
      i++;
    } else if (star >= 0) {
      at = star + 1;
      i = ++afterStar;
    } else return false;
  }
  while (glob[at] === '*') at++;
  return at === glob.length;
}

/** Says nothing: matches every text. */
export const isEmptyGlob = (glob: string): boolean => /^[*?]*$/.test(glob);
