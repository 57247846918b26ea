import test from 'ava';
import { buildLibrary, buildProgram } from '../e2e/support/build.js';
import { scratch } from './scratch.js';
import { casesOf, parseValgrind, scanAll, valgrindAll } from './support.js';

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
    if (valgrind === '') t.deepEqual(losses, byValgrind![at]!);
    else t.notDeepEqual(losses, byValgrind![at]!);
  });
}

test("valgrind's sums are read with their thousands and over all processes", (t) => {
  const text = `==7==    definitely lost: 1,234 bytes in 5 blocks
==7==    indirectly lost: 0 bytes in 0 blocks
==8==    definitely lost: 6 bytes in 1,000 blocks`;
  t.deepEqual(parseValgrind(text), { lost: [1005, 1240], indirect: [0, 0] });
  t.deepEqual(parseValgrind(''), { lost: [0, 0], indirect: [0, 0] });
  t.true(cases.length >= 60);
});
