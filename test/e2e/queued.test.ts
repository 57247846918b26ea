import { join } from 'node:path';
import test from 'ava';
import { buildAddon, fixturesFolder } from './support/build.js';
import { type FoundNode, nodeOfMajor } from './support/nodes.js';
import { drawStack, type Site, siteOfSize, unfreed } from './support/report.js';
import { memprofJson, onlyTrace, runTraced, scratchFolder } from './support/run.js';

const app = join(fixturesFolder, 'apps', 'queue.cjs');

/** The names below the line "queued from"; null where there is no such line. */
function queuedFrom(site: Pick<Site, 'frames' | 'markers'>): (string | null)[] | null {
  const border = site.markers.find((each) => each.marker === 'queued');
  return border === undefined ? null : site.frames.slice(border.at).map((frame) => frame.function);
}

const majors = [20, 22, 24, 26];
const nodes = await Promise.all(majors.map(nodeOfMajor));

for (const [at, major] of majors.entries()) {
  const node = nodes[at] as FoundNode;
  const check = node.path === null ? test.skip : test;
  const why = node.path === null ? ` (skipped: ${node.reason})` : '';

  check(
    `Node ${major}: a pool thread's allocation names the JavaScript that queued it${why}`,
    async (t) => {
      const addon = await buildAddon('queuer.cc');
      const folder = await scratchFolder(t);
      const outcome = await runTraced([node.path as string, app, addon], { cwd: folder });
      t.is(outcome.code, 0, outcome.stderr);
      const trace = await onlyTrace(t, folder);
      const report = await unfreed(t, trace);

      // Each block apart: not only some parent, but its own.
      for (let i = 0; i < 25; i++) {
        for (const [sizeBytes, expected] of [
          [70_000 + i, 'napiWork'],
          [80_000 + i, 'uvWork'],
        ] as const) {
          const site = siteOfSize(t, report, sizeBytes);
          const parents = queuedFrom(site);
          t.truthy(parents?.includes(expected), `${expected}\n${drawStack(site.frames)}`);
          const leaf = site.frames.findIndex((frame) => frame.function?.includes('keep_on_pool'));
          t.true(leaf >= 0 && leaf < site.frames.length - (parents?.length ?? 0));
        }
      }

      const all = await memprofJson<{ sites: Site[] }>([
        'sites',
        trace,
        '--package',
        'node',
        '--sort',
        'allocations',
        '--limit',
        'all',
      ]);
      const parents = all.sites.flatMap((site) => queuedFrom(site) ?? []);
      for (const name of ['compressLater', 'deriveLater', 'listLater']) {
        t.true(parents.includes(name), `nothing was queued from ${name}`);
      }
    },
  );
}
