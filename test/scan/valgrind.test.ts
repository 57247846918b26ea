import test from 'ava';
import { buildLibrary, buildProgram } from '../e2e/support/build.js';
import { scratch } from './scratch.js';
import { casesOf, type Losses, parseValgrind, scanAll, valgrindAll } from './support.js';

const library = await buildLibrary('scan-library.c', 'libscan.so');
const programs = await Promise.all([
  buildProgram('scan-cases.c', ['-ldl']),
  buildProgram('scan-cases-cpp.cc'),
]);
const cases = (
  await Promise.all(
    programs.map(async (program) =>
      (
        await casesOf(program)
      ).map((each) => ({
        ...each,
        command: [program, each.name, library] as [string, ...string[]],
      })),
    ),
  )
).flat();
const folder = scratch();
const commands = cases.map(({ command }) => command);
const found = await scanAll(commands);
const byValgrind = await valgrindAll(commands, folder);

const sizeOf = ({ lost, indirect }: Losses): number => lost[1] + indirect[1];

for (const [at, { name, lost, indirect, valgrind }] of cases.entries()) {
  const told = name.replaceAll('_', ' ');
  test(`${told}: lost are ${lost[0]} blocks, behind them ${indirect[0]}`, (t) => {
    const { checkpoints, warnings, ...losses } = found[at]!;
    t.deepEqual(warnings, []);
    t.true(checkpoints.length > 0);
    t.true(checkpoints.every(({ scanFailure }) => scanFailure === null));
    t.deepEqual(losses, { lost, indirect });
  });

  const check = byValgrind === null ? test.skip : test;
  const same =
    valgrind === '' ? 'valgrind says the same' : `valgrind is another opinion: ${valgrind}`;
  check(`${told}: ${same}`, (t) => {
    const { checkpoints, warnings, ...losses } = found[at]!;
    const { possible, ...sure } = byValgrind![at]!;
    if (valgrind !== '') return void t.notDeepEqual(losses, sure);
    // valgrind's heap lies so low that the number of a file in the loader's list may be an address in a large block.
    if (possible[0] > 0 && sizeOf(losses) >= 1 << 20)
      return void t.is(sizeOf(sure) + possible[1], sizeOf(losses));
    t.deepEqual(losses, sure);
  });
}

test("valgrind's sums are read with their thousands and over all processes", (t) => {
  const text = `==7==    possibly lost: 2 bytes in 1 blocks
==7==    definitely lost: 1,234 bytes in 5 blocks
==7==    indirectly lost: 0 bytes in 0 blocks
==8==    definitely lost: 6 bytes in 1,000 blocks`;
  t.deepEqual(parseValgrind(text), {
    lost: [1005, 1240],
    indirect: [0, 0],
    possible: [1, 2],
  });
  t.deepEqual(parseValgrind(''), { lost: [0, 0], indirect: [0, 0], possible: [0, 0] });
  t.true(cases.length >= 60);
});
