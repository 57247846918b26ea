// No false leak: programs that release what they take, ended naturally and by process.exit.
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { buildAddon } from '../e2e/support/build.js';
import { type FoundNode, nodeOfMajor } from '../e2e/support/nodes.js';
import { onlyTrace, run, runTraced, scratchFolder } from '../e2e/support/run.js';
import { drawSites, isLeaked, leaks, sumOf } from './support/leaks.js';
import { realPrograms } from './support/programs.js';

/** What may count as lost of Node itself, in all. */
const nodeLimitBytes = 16 << 10;

const majors = [20, 22, 24, 26];
const nodes = await Promise.all(majors.map(nodeOfMajor));
const empty = await buildAddon('empty.cc');
const real = await realPrograms();

const programs = [
  { name: 'node -e 0', isForThisNodeOnly: false, packages: null, source: '' },
  {
    name: 'an empty addon',
    isForThisNodeOnly: false,
    packages: null,
    source: `require(${JSON.stringify(empty)});`,
  },
  ...real,
];

async function assertClean(t: ExecutionContext, trace: string): Promise<void> {
  const report = await leaks(t, trace, '--all');
  t.not(report.sites.length, 0, 'a checkpoint was taken and has verdicts');
  t.false(
    report.sites.some(({ verdict }) => verdict === 'unknown'),
    'it was scanned',
  );
  const leaked = report.sites.filter(({ verdict }) => isLeaked(verdict));
  const ofAddons = leaked.filter(
    (site) =>
      site.package !== null || site.frames.some(({ module }) => module?.endsWith('.node') ?? false),
  );
  t.is(sumOf(ofAddons).blockCount, 0, drawSites(ofAddons));
  const { sizeBytes } = sumOf(leaked);
  t.true(sizeBytes <= nodeLimitBytes, `${sizeBytes} B of Node itself\n${drawSites(leaked)}`);
  t.log(`${sizeBytes} B of Node itself in ${leaked.length} sites`);
}

for (const [at, major] of majors.entries()) {
  const node = nodes[at] as FoundNode;
  for (const [place, { name, packages, source, isForThisNodeOnly }] of programs.entries()) {
    if (isForThisNodeOnly && node.path !== process.execPath) continue;
    const reason = node.reason ?? packages?.reason ?? null;
    const check = reason === null ? test : test.skip;
    for (const [way, end] of ['natural end', 'process.exit'].entries()) {
      // Both ends on the Node that most people of this version run, one of them on the others.
      if (major !== 20 && (place + at + way) % 2 === 1) continue;
      const because = reason === null ? '' : ` (skipped: ${reason})`;
      check(`Node ${major}, ${name}, ${end}: nothing of an addon is lost${because}`, async (t) => {
        const folder = await scratchFolder(t);
        const script = join(
          packages?.folder ?? folder,
          `clean-${major}-${end.replace(/\W/g, '-')}-${name.replace(/\W/g, '-')}.cjs`,
        );
        const last = end === 'process.exit' ? 'process.exit(0);' : '';
        await writeFile(script, `(async () => {${source}\n${last}})();\n`);
        const command = [node.path as string, script];
        const plain = await run(command, { cwd: folder });
        t.is(plain.code, 0, plain.stderr);
        const traced = await runTraced(command, { cwd: folder });
        t.is(traced.code, 0, traced.stderr);
        t.is(traced.stdout, plain.stdout);
        await assertClean(t, await onlyTrace(t, folder));
      });
    }
  }
}
