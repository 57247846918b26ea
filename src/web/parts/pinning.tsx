// Sites whose blocks keep pages that are nearly empty, each with a link to it.
import type { MemoryAtCheckpoint, PinningFacts } from '../../html/report-data.js';
import { allPackages, usersPackages } from '../../html/selection.js';
import { formatBytes, formatCount, formatDuration } from '../format.js';
import { hashOfState, type State, useReport } from '../state.js';
import { leadingFrameOfGroup } from './group-details.js';
import { PlainTable } from './plain-table.js';

const fewSites = 12;

export function Pinning({ of }: { of: MemoryAtCheckpoint }) {
  const { data, state } = useReport();
  const all = of.pinning ?? [];
  const isShown = ({ packageIndex }: PinningFacts) =>
    state.package === allPackages ||
    (state.package === usersPackages
      ? !data.head.runtimePackages.includes(packageIndex)
      : state.package === packageIndex);
  const shown = all.filter(isShown);
  const hidden = of.hiddenPinning;
  return (
    <section class="card wide pinning" aria-label="What keeps nearly empty pages">
      <h2>What keeps pages that are filled below a quarter</h2>
      {shown.length === 0 ? (
        <p class="empty">
          {all.length === 0
            ? 'No live block stands on such a page.'
            : 'No block of the selected package stands on such a page.'}
        </p>
      ) : (
        <PlainTable
          heads={['Allocated by', 'Keeps resident', 'Pages', 'Blocks', 'Of', 'Oldest']}
          few={fewSites}
          rows={shown.map((site) => ({
            key: String(site.group),
            cells: [
              <Site key="site" site={site} />,
              formatBytes(Math.round(site.keptBytes)),
              formatCount(site.pageCount),
              formatCount(site.blockCount),
              eachText(site),
              formatDuration(site.ageNs),
            ],
          }))}
        />
      )}
      <p class="faint">
        A page that several sites keep is shared out by blocks.
        {hidden.count > 0
          ? ` ${formatCount(hidden.count)} more sites keep ${formatBytes(Math.round(hidden.keptBytes))}.`
          : ''}
      </p>
    </section>
  );
}

function eachText({ sizeBytes, blockCount }: PinningFacts): string {
  const each = Math.round(sizeBytes / blockCount);
  return `${each * blockCount === sizeBytes ? '' : 'about '}${formatBytes(each)}`;
}

function Site({ site }: { site: PinningFacts }) {
  const { data, state, change } = useReport();
  const { head, frames } = data;
  const frame = leadingFrameOfGroup(data, site.group);
  const place = head.strings[frames.place[frame]!]!;
  // All of the run: its blocks may be younger than the end of the usual range.
  const target: State = {
    ...state,
    view: 'sites',
    measure: 'live',
    from: 0,
    to: data.bucketCount,
    thread: -1,
    group: site.group,
  };
  return (
    <div class="site">
      <a
        class="function"
        href={hashOfState(data, target)}
        onClick={(event) => {
          if (event.metaKey || event.ctrlKey || event.shiftKey) return;
          event.preventDefault();
          change(target);
        }}
      >
        {head.strings[frames.name[frame]!] || 'no stack'}
      </a>
      <span class="faint">
        {[
          head.packages[site.packageIndex]!.label,
          place.slice(place.lastIndexOf('/') + 1),
          site.className === '' ? '' : `owned by ${site.className}`,
        ]
          .filter((one) => one !== '')
          .join(', ')}
      </span>
    </div>
  );
}
