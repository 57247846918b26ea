// What the tests of commands share: their text, and JSON held against its schema.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Ajv2020 } from 'ajv/dist/2020.js';
import type { ExecutionContext } from 'ava';
import { packageRoot } from '../../src/paths.js';

export async function textOf(lines: AsyncIterable<string>): Promise<string> {
  const all: string[] = [];
  for await (const line of lines) all.push(line);
  return all.join('\n');
}

export async function validJson(
  t: ExecutionContext,
  name: string,
  lines: AsyncIterable<string>,
): Promise<unknown> {
  const schema = JSON.parse(
    readFileSync(join(packageRoot, 'docs', 'schema', `${name}.schema.json`), 'utf8'),
  );
  // Nothing may be in the output that the schema does not tell about.
  const closed = JSON.parse(JSON.stringify(schema), (_key, value) =>
    value !== null &&
    typeof value === 'object' &&
    value.type === 'object' &&
    value.additionalProperties === undefined
      ? { ...value, additionalProperties: false }
      : value,
  );
  const validate = new Ajv2020({ allErrors: true, strict: false }).compile(closed);
  const parsed = JSON.parse(await textOf(lines));
  validate(parsed);
  t.deepEqual(validate.errors ?? [], []);
  return parsed;
}
