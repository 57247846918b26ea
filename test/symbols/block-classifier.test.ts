import test from 'ava';
import { exportedRanges } from '../../src/native/index.js';
import { BlockClassifier } from '../../src/symbols/index.js';
import { ModelBuilder } from '../model-builder.js';

function classify(drawing: string, isCppRuntime: (address: number) => boolean) {
  const builder = new ModelBuilder();
  const stack = builder.stack(drawing);
  const { stacks, modules } = builder.build();
  const ranges = (path: string) => {
    if (!path.endsWith('/node')) return new Float64Array(0);
    const bounds: number[] = [];
    for (let id = 0; id < stacks.count; id++) {
      const offset = stacks.offset[id]!;
      if (isCppRuntime(offset - 1)) bounds.push(offset - 1, offset);
    }
    return Float64Array.from(bounds.sort((a, b) => a - b));
  };
  const classifier = new BlockClassifier(
    () => stacks,
    () => modules,
    true,
    ranges,
  );
  classifier.refresh();
  return classifier.of(stack);
}

const throughNode = `
  node std::string::reserve
  /app/node_modules/tiles/build/tiles.node Tiles::put
  js JS:~main /app/app.js:3:5
`;

test('a block that an addon got through the C++ library inside node is not Node’s own', (t) => {
  t.false(classify(throughNode, () => true).isRuntime);
});

test('a block that Node’s own function allocated for an addon’s call is Node’s own', (t) => {
  t.true(classify(throughNode, () => false).isRuntime);
});

test('node exports the C++ library’s functions, and they are found in order', (t) => {
  const ranges = exportedRanges(process.execPath, ['_ZNSt']);
  t.true(ranges.length > 0 && ranges.length % 2 === 0);
  t.true(ranges.every((bound, at) => at === 0 || ranges[at - 1]! < bound));
  t.is(exportedRanges('/nowhere', ['_ZNSt']).length, 0);
});
