import { join } from 'node:path';
import test from 'ava';
import { buildAddon, fixturesFolder } from './support/build.js';
import { type FoundNode, nodeOfMajor } from './support/nodes.js';
import { drawStack, type Site, unfreed } from './support/report.js';
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

      // Every block of a kind has this parent, not only some: their sizes tell the kinds apart. (V8's
      // own frames may differ between the first calls and the later ones, so sites are added up.)
      for (const [sizeBytes, expected] of [
        [25 * 70_000 + 300, 'napiWork'],
        [25 * 80_000 + 300, 'uvWork'],
      ] as const) {
        const sites = report.sites.filter(
          (site) =>
            site.moment === 'at-end' &&
            site.frames[0]?.function?.includes('keep_on_pool') &&
            queuedFrom(site)?.includes(expected),
        );
        const drawn = sites.map((site) => drawStack(site.frames)).join('\n');
        t.is(
          sites.reduce((sum, site) => sum + site.blockCount, 0),
          25,
          drawn,
        );
        t.is(
          sites.reduce((sum, site) => sum + site.sizeBytes, 0),
          sizeBytes,
          drawn,
        );
      }

      const options = ['--package', 'node', '--sort', 'allocations', '--limit', 'all'];
      const all = await memprofJson<{ sites: Site[] }>(t, 'sites', trace, ...options);
      const parents = all.sites.flatMap((site) => queuedFrom(site) ?? []);
      for (const name of ['compressLater', 'deriveLater', 'listLater']) {
        t.true(parents.includes(name), `nothing was queued from ${name}`);
      }
    },
  );
}
