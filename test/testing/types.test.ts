// The declarations that ship are whole: a project that checks its libraries, too, compiles against them.
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import { packageRoot } from '../../src/paths.js';
import { exampleProject } from './project.js';

const source = `
import { type CheckFinding, expectMemoryBelow, expectNoLeaks, ignoreLeaks, mark, type TrackStats, track } from 'memprof/testing';
const leaks = await expectNoLeaks(() => 1, { rounds: 5, tolerance: { bytes: 16 }, ignore: ['known'] });
if (!leaks.skipped) {
  const findings: readonly CheckFinding[] = leaks.findings;
  mark(\`\${leaks.verdict} \${leaks.confidence} \${findings.length}\`);
}
const below = await expectMemoryBelow('1 MiB', async () => {});
const stats: TrackStats = (await track('all')).stats();
const three: number = ignoreLeaks(() => 3);
mark(\`\${below.skipped} \${stats.liveBytes} \${three}\`);
// @ts-expect-error: there is no such option
await expectNoLeaks(() => 1, { round: 5 });
`;

test('a project in TypeScript compiles against memprof/testing', async (t) => {
  const project = await exampleProject(t, 'ava', packageRoot);
  await writeFile(join(project.folder, 'leaks.ts'), source);
  await writeFile(
    join(project.folder, 'tsconfig.json'),
    JSON.stringify({
      compilerOptions: {
        module: 'NodeNext',
        target: 'ES2022',
        strict: true,
        noEmit: true,
        skipLibCheck: false,
        types: ['node'],
      },
      files: ['leaks.ts'],
    }),
  );
  const outcome = await project.run(['tsc', '-p', 'tsconfig.json']);
  t.is(outcome.code, 0, outcome.stdout);
});
