// JSON in pieces: a profile of thousands of stacks never is one huge string. Pure.

/** The elements of an array, each a value of its own. */
export function* jsonArray(items: Iterable<unknown>): Generator<string> {
  let text = '[';
  let isFirst = true;
  for (const item of items) {
    text += `${isFirst ? '' : ','}\n${JSON.stringify(item)}`;
    isFirst = false;
    if (text.length < 1 << 16) continue;
    yield text;
    text = '';
  }
  yield `${text}]`;
}

/** An object whose values are texts of JSON, in pieces. */
export function* jsonObject(members: Record<string, Iterable<string>>): Generator<string> {
  let opening = '{';
  for (const [key, value] of Object.entries(members)) {
    yield `${opening}${JSON.stringify(key)}:`;
    yield* value;
    opening = ',\n';
  }
  yield '}';
}

export const jsonValue = (value: unknown): string[] => [JSON.stringify(value)];
