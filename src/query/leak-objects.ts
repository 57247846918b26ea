// Sites of leaks as objects: of `memprof leaks --json` and of the library.
import type { Checkpoint, CheckpointDetail } from '../model/index.js';
import {
  collectLeaks,
  everyStack,
  type LeakReport,
  type LeakSite,
  noRootNames,
  type RootNames,
  rootText,
  siteType,
} from '../report/index.js';
import type { SymbolizedStacks } from '../symbols/index.js';
import { stackJson } from './json.js';
import { type OpenedTrace, stackContext } from './opened.js';
import { nameRoots } from './root-names.js';

export type LeakObject = ReturnType<typeof leakJson>;

/** Every site with a verdict at the checkpoint that passes, worst first. */
export async function leakObjects(
  opened: OpenedTrace,
  symbols: SymbolizedStacks,
  checkpoint: Checkpoint,
  passes: (site: LeakSite) => boolean,
): Promise<{ report: LeakReport; sites: LeakObject[] }> {
  const report = collectLeaks(opened.model.checkpoints ?? [], checkpoint, symbols, {
    groups: everyStack,
    foldIndirect: false,
  });
  const sites = report.sites.filter(passes);
  const names = await leakNames(opened, checkpoint.detail, sites);
  return { report, sites: sites.map((site) => leakJson(opened, site, checkpoint.detail, names)) };
}

/** Names for what holds these sites' blocks. */
export function leakNames(
  opened: OpenedTrace,
  detail: CheckpointDetail | null,
  sites: readonly LeakSite[],
): Promise<RootNames> {
  const roots = sites.flatMap((site) => (site.root === null ? [] : [site.root]));
  const words = sites.map((site) => site.firstWord).filter((word) => word !== 0);
  return roots.length + words.length === 0
    ? Promise.resolve(noRootNames)
    : nameRoots(opened, detail, roots, words);
}

function leakJson(
  { model }: OpenedTrace,
  site: LeakSite,
  detail: CheckpointDetail | null,
  names: RootNames,
) {
  const { owner: memoryOf, ...stack } = stackJson(site.stack);
  const { root, owner, growth } = site;
  return {
    verdict: site.verdict,
    blockCount: site.live.blockCount,
    sizeBytes: site.live.sizeBytes,
    behind: site.behind,
    type: siteType(site, names),
    isTypeAnnounced: site.announcedType !== null,
    pool: site.pool,
    memoryOfPool: site.container,
    owner,
    heldBy:
      root === null || detail === null
        ? null
        : { kind: root.kind, text: rootText(root, detail, model, names, stackContext(model)) },
    growth,
    memoryOf,
    ...stack,
  };
}
