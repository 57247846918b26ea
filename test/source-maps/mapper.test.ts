import test from 'ava';
import fc from 'fast-check';
import { type SourceFiles, SourceMapper } from '../../src/source-maps/index.js';

interface Disk {
  [path: string]: string | { text: string; modifiedMs: number };
}

function filesOf(disk: Disk, reads: string[] = []): SourceFiles {
  return {
    read(path, maxBytes) {
      reads.push(path);
      const file = disk[path];
      if (file === undefined) return null;
      const { text, modifiedMs } = typeof file === 'string' ? { text: file, modifiedMs: 1 } : file;
      return text.length > maxBytes ? null : { text, modifiedMs };
    },
  };
}

const startedMs = 1000;
const mapperOf = (disk: Disk, reads?: string[]) =>
  new SourceMapper(filesOf(disk, reads), startedMs);

// Generated line 1: columns 0 and 9 are src/a.ts 10:5 (named "orderTea") and 11:3.
const map = {
  version: 3,
  sources: ['../src/a.ts'],
  names: ['orderTea'],
  mappings: 'AASIA,SACF',
};
const script = 'function a(){}';
const external = `${script}\n//# sourceMappingURL=out.js.map\n`;

test('an external map lies beside its script', (t) => {
  const mapper = mapperOf({
    '/app/dist/out.js': external,
    '/app/dist/out.js.map': JSON.stringify(map),
  });
  t.deepEqual(mapper.original({ file: '/app/dist/out.js', line: 1, column: 1 }), {
    file: '/app/src/a.ts',
    line: 10,
    column: 5,
    name: null,
  });
  t.is(mapper.original({ file: '/app/dist/out.js', line: 1, column: 13 })?.line, 11);
  t.deepEqual(mapper.problems, []);
});

test('an inline map is read from the script itself', (t) => {
  const text = JSON.stringify(map);
  for (const url of [
    `data:application/json;charset=utf-8;base64,${Buffer.from(text).toString('base64')}`,
    `data:application/json,${encodeURIComponent(text)}`,
  ]) {
    const mapper = mapperOf({ '/app/dist/out.js': `${script}\n//# sourceMappingURL=${url}` });
    t.is(mapper.original({ file: '/app/dist/out.js', line: 1, column: 2 })?.file, '/app/src/a.ts');
  }
});

test('a name counts only where it is the name before the place', (t) => {
  const named = { ...map, mappings: 'AASI,SACFA' };
  const disk = { '/app/dist/out.js': external, '/app/dist/out.js.map': JSON.stringify(named) };
  t.is(
    mapperOf(disk).original({ file: '/app/dist/out.js', line: 1, column: 11 })?.name,
    'orderTea',
  );
  t.is(mapperOf(disk).original({ file: '/app/dist/out.js', line: 1, column: 13 })?.name, null);
});

test('a script or map that changed after the start is told, not used', (t) => {
  const late = { modifiedMs: startedMs + 1 };
  const content = JSON.stringify(map);
  for (const disk of [
    { '/app/out.js': { text: external, ...late }, '/app/out.js.map': content },
    { '/app/out.js': external, '/app/out.js.map': { text: content, ...late } },
  ]) {
    const mapper = mapperOf(disk);
    t.is(mapper.original({ file: '/app/out.js', line: 1, column: 1 }), null);
    t.is(mapper.original({ file: '/app/out.js', line: 1, column: 9 }), null);
    t.deepEqual(mapper.problems, [{ file: '/app/out.js', reason: 'changed' }]);
  }
  const plain = mapperOf({ '/app/out.js': { text: script, ...late } });
  t.is(plain.original({ file: '/app/out.js', line: 1, column: 1 }), null);
  t.deepEqual(plain.problems, [], "a script without a map is nobody's problem");
});

test('missing and unusable maps leave the script as it is', (t) => {
  const reasonOf = (mapText: string | null) => {
    const mapper = mapperOf({
      '/app/out.js': external,
      ...(mapText === null ? {} : { '/app/out.js.map': mapText }),
    });
    t.is(mapper.original({ file: '/app/out.js', line: 1, column: 1 }), null);
    return mapper.problems[0]?.reason;
  };
  t.is(reasonOf(null), 'missing');
  t.is(reasonOf('{'), 'unusable');
  t.is(reasonOf('[]'), 'unusable');
  t.is(reasonOf('{"version":2,"mappings":""}'), 'unusable');
  t.is(
    reasonOf(
      JSON.stringify({
        version: 3,
        sections: [{ offset: { line: 0, column: 0 }, map: { version: 3, sections: [] } }],
      }),
    ),
    'unusable',
  );
  t.is(
    reasonOf(
      JSON.stringify({ version: 3, sections: [{ offset: { line: 0, column: 0 }, url: 'a' }] }),
    ),
    'unusable',
  );
});

test('sections are followed', (t) => {
  const sectioned = { version: 3, sections: [{ offset: { line: 2, column: 0 }, map }] };
  const mapper = mapperOf({
    '/app/dist/out.js': `//\n//\n${external}`,
    '/app/dist/out.js.map': JSON.stringify(sectioned),
  });
  t.is(mapper.original({ file: '/app/dist/out.js', line: 1, column: 1 }), null);
  t.is(mapper.original({ file: '/app/dist/out.js', line: 3, column: 1 })?.line, 10);
});

test('sources may be files, URLs or names of a bundler', (t) => {
  const fileOf = (source: string, sourceRoot?: string) =>
    mapperOf({
      '/app/dist/out.js': external,
      '/app/dist/out.js.map': JSON.stringify({ ...map, sources: [source], sourceRoot }),
    }).original({ file: '/app/dist/out.js', line: 1, column: 1 })?.file;
  t.is(fileOf('b.ts'), '/app/dist/b.ts');
  t.is(fileOf('/src/b.ts'), '/src/b.ts');
  t.is(fileOf('b.ts', '../lib/'), '/app/lib/b.ts');
  t.is(fileOf('file:///else/b%20c.ts'), '/else/b c.ts');
  t.is(fileOf('webpack://my-app/./src/b.ts'), 'webpack://my-app/src/b.ts');
  t.is(fileOf('webpack://my-app/external "fs"'), 'webpack://my-app/external "fs"');
  t.is(fileOf('https://host/b.ts'), 'https://host/b.ts');
});

test('only a comment at the end names a map', (t) => {
  for (const text of [
    `const s = '//# sourceMappingURL=out.js.map';\n${script}`,
    `//# sourceMappingURL=out.js.map\n${script}`,
    script,
  ]) {
    const reads: string[] = [];
    mapperOf({ '/app/out.js': text }, reads).original({ file: '/app/out.js', line: 1, column: 1 });
    t.deepEqual(reads, ['/app/out.js']);
  }
});

test('each file is read once, and no file for scripts without one', (t) => {
  const reads: string[] = [];
  const mapper = mapperOf({ '/app/out.js': external }, reads);
  for (const file of [
    '/app/out.js',
    'node:fs',
    'data:text/javascript,1',
    '[eval]',
    'evalmachine.<anonymous>',
  ])
    for (let line = 1; line < 4; line++) mapper.original({ file, line, column: 1 });
  t.deepEqual(reads, ['/app/out.js', '/app/out.js.map']);
});

test('whatever a map holds, nothing throws and every answer is a place', (t) => {
  const anything = fc.oneof(fc.jsonValue(), fc.string(), fc.integer());
  const mappings = fc
    .array(fc.constantFrom(...'ABCDgq/+;,,', '!', '\u00e9'), { maxLength: 40 })
    .map((parts) => parts.join(''));
  const hostileMap = fc.record(
    {
      version: fc.oneof({ weight: 8, arbitrary: fc.constant(3) }, anything),
      sources: fc.oneof(
        fc.array(fc.oneof(fc.webPath(), fc.constant(null), fc.string(), anything)),
        anything,
      ),
      sourceRoot: fc.oneof(fc.string(), anything),
      names: fc.oneof(fc.array(fc.oneof(fc.string(), anything)), anything),
      mappings: fc.oneof({ weight: 8, arbitrary: mappings }, anything),
      sections: fc.oneof(
        { weight: 4, arbitrary: fc.constant(undefined) },
        fc.array(
          fc.record({
            offset: fc.oneof(anything, fc.record({ line: fc.integer(), column: fc.integer() })),
            map: anything,
          }),
        ),
      ),
    },
    { requiredKeys: ['version'] },
  );
  const mapText = fc.oneof(
    { weight: 5, arbitrary: hostileMap.map((value) => JSON.stringify(value)) },
    fc.string(),
  );
  fc.assert(
    fc.property(
      mapText,
      fc.array(fc.tuple(fc.integer({ min: 1, max: 20 }), fc.integer({ min: 1, max: 50 })), {
        minLength: 1,
        maxLength: 8,
      }),
      (text, places) => {
        const mapper = mapperOf({ '/app/out.js': external, '/app/out.js.map': text });
        for (const [line, column] of places) {
          const found = mapper.original({ file: '/app/out.js', line, column });
          if (found === null) continue;
          if (!(found.line >= 1 && found.column >= 1) || typeof found.file !== 'string')
            return false;
        }
        return mapper.problems.length <= 1;
      },
    ),
    { numRuns: 600 },
  );
  t.pass();
});

test('a script whose functions cannot stand where V8 saw them ran with another text', (t) => {
  const text = 'interface A {}\n\nexport function tea(a: A) {\n  return a;\n}\n';
  const asked = (file: string, ...places: [line: number, column: number][]) => {
    const mapper = mapperOf({ [file]: text });
    const answer = mapper.isTransformed(
      file,
      places.map(([line, column]) => ({ line, column })),
    );
    t.is(mapper.problems.length, answer ? 1 : 0);
    return answer;
  };
  t.false(asked('/a.ts', [1, 1], [3, 20]), 'types were blanked out');
  t.true(asked('/a.ts', [1, 1], [3, 21], [5, 1]), 'a function at a closing brace');
  t.true(asked('/a.ts', [3, 400]), 'behind the end of its line');
  t.true(asked('/a.js', [9, 1]), 'behind the last line');
  t.false(asked('/a.js', [5, 1]), 'plain JavaScript may be anything');
  t.false(asked('/a.js', [1, 70]), 'a wrapper may stand in front of the first line');
  t.true(asked('/a.js', [1, 449]), 'all of it on one line');
  t.false(asked('node:fs', [9999, 1]));
  t.false(mapperOf({ '/a.js': external }).isTransformed('/a.js', [{ line: 99, column: 1 }]));
});
