// Where memory was allocated: a row a site, and the one that is chosen beside it.
import { useMemo, useState } from 'preact/hooks';
import type { PageData } from '../../html/page-data.js';
import { totalOf } from '../../html/selection.js';
import { changeText, formatBytes, formatCount, formatPercent } from '../format.js';
import { GroupDetails, leadingFrameOfGroup } from '../parts/group-details.js';
import { callerOf } from '../parts/leading.js';
import { VirtualTable } from '../parts/virtual-table.js';
import { useReport } from '../state.js';

type Sort = 'bytes' | 'change' | 'count' | 'package' | 'where';

interface SiteTexts {
  where: string[];
  place: string[];
  owner: string[];
}

/** Once a page: the texts of all groups. */
const textsOf = (() => {
  let known: { data: PageData; texts: SiteTexts } | null = null;
  return (data: PageData): SiteTexts => {
    if (known?.data !== data) known = { data, texts: readTexts(data) };
    return known.texts;
  };
})();

function readTexts(data: PageData): SiteTexts {
  const { strings, packages } = data.head;
  const texts: SiteTexts = { where: [], place: [], owner: [] };
  for (let group = 0; group < data.groups.site.length; group++) {
    const frame = leadingFrameOfGroup(data, group);
    const site = data.groups.site[group]!;
    const owner = packages[data.sites.package[site]!]!.label;
    texts.where.push(strings[data.frames.name[frame]!] || 'no stack');
    const place = strings[data.frames.place[frame]!]!;
    const caller = callerOf(data, data.sites.node[site]!, frame);
    // Many sites share the function that allocates for them: whom it did it for tells them apart.
    const words = [place.slice(place.lastIndexOf('/') + 1)];
    if (caller !== 0) words.push(`for ${strings[data.frames.name[caller]!]}`);
    texts.place.push(words.filter((one) => one !== '').join(', '));
    texts.owner.push(owner);
  }
  return texts;
}

/** A group passes where each word is in a function, a file or the package of it. */
function queryFilter(data: PageData, texts: SiteTexts, query: string): (group: number) => boolean {
  const words = query.toLowerCase().split(/\s+/).filter(Boolean);
  const tests = words.map((word) => {
    const isIn = data.head.strings.map((text) => text.toLowerCase().includes(word));
    const { name, place } = data.frames;
    const { parent, frame } = data.nodes;
    // Of each node whether it or one above it matches: parents come before their children.
    const matches = new Uint8Array(parent.length);
    for (let node = 1; node < parent.length; node++) {
      const one = frame[node]!;
      const is = isIn[name[one]!] || isIn[place[one]!];
      matches[node] = is ? 1 : matches[parent[node]!]!;
    }
    return (group: number) =>
      matches[data.sites.node[data.groups.site[group]!]!] === 1 ||
      texts.owner[group]!.toLowerCase().includes(word);
  });
  return (group) => tests.every((passes) => passes(group));
}

const columns: readonly { name: Sort; title: string; class: string }[] = [
  { name: 'bytes', title: 'Bytes', class: 'bytes' },
  { name: 'change', title: 'Change', class: 'change' },
  { name: 'count', title: 'Blocks', class: 'count' },
  { name: 'package', title: 'Package', class: 'package' },
  { name: 'where', title: 'Allocated by', class: 'where' },
];

export function SitesView() {
  const { data, state, byGroup, before, change } = useReport();
  const [sort, setSort] = useState<{ by: Sort; isUp: boolean }>({
    by: before === null ? 'bytes' : 'change',
    isUp: false,
  });
  const texts = textsOf(data);
  const rows = useMemo(() => {
    const passes = queryFilter(data, texts, state.query);
    const found: number[] = [];
    for (let group = 0; group < byGroup.count.length; group++) {
      if (byGroup.count[group] === 0 && (before === null || before.byGroup.count[group] === 0))
        continue;
      if (passes(group)) found.push(group);
    }
    const sign = sort.isUp ? 1 : -1;
    const text = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0);
    const changed = (group: number) => byGroup.bytes[group]! - (before?.byGroup.bytes[group] ?? 0);
    const compare: Record<Sort, (a: number, b: number) => number> = {
      bytes: (a, b) => byGroup.bytes[a]! - byGroup.bytes[b]!,
      change: (a, b) => changed(a) - changed(b),
      count: (a, b) => byGroup.count[a]! - byGroup.count[b]!,
      package: (a, b) => text(texts.owner[a]!, texts.owner[b]!),
      where: (a, b) => text(texts.where[a]!, texts.where[b]!),
    };
    return found.sort(
      (a, b) => sign * compare[sort.by](a, b) || byGroup.bytes[b]! - byGroup.bytes[a]! || a - b,
    );
  }, [byGroup, before, state.query, sort, texts]);
  const shownColumns = columns.filter((one) => one.name !== 'change' || before !== null);
  const total = totalOf(byGroup);
  const isCalls = state.measure === 'total' || state.measure === 'temporary';
  const choose = (by: Sort) =>
    setSort(
      sort.by === by ? { by, isUp: !sort.isUp } : { by, isUp: by === 'package' || by === 'where' },
    );
  return (
    <div
      class={`sites ${state.group > 0 ? 'with-details' : ''} ${before === null ? '' : 'compared'}`}
    >
      <div class="list">
        <div class="tools">
          <label class="find">
            <span class="visually-hidden">Filter sites</span>
            <input
              type="search"
              placeholder="Filter by function, file or package"
              value={state.query}
              onInput={(event) => change({ query: event.currentTarget.value })}
            />
          </label>
          <span class="faint" role="status">
            {formatCount(rows.length)} {rows.length === 1 ? 'site' : 'sites'}
          </span>
        </div>
        {rows.length === 0 ? (
          <p class="empty">
            {state.query === '' ? 'Nothing in this selection.' : 'No site has all of these words.'}
          </p>
        ) : (
          <VirtualTable
            label="Sites"
            rowCount={rows.length}
            rowHeight={48}
            chosen={rows.indexOf(state.group)}
            onChoose={(at) => change({ group: rows[at] === state.group ? 0 : rows[at]! })}
            header={shownColumns.map((column) => (
              <div
                key={column.name}
                role="columnheader"
                class={`td ${column.class}`}
                aria-sort={
                  sort.by !== column.name ? 'none' : sort.isUp ? 'ascending' : 'descending'
                }
              >
                <button type="button" onClick={() => choose(column.name)}>
                  {column.name === 'count' && isCalls ? 'Calls' : column.title}
                  <span aria-hidden="true">
                    {sort.by !== column.name ? '' : sort.isUp ? ' ↑' : ' ↓'}
                  </span>
                </button>
              </div>
            ))}
            row={(at) => {
              const group = rows[at]!;
              const bytes = byGroup.bytes[group]!;
              return (
                <>
                  <div role="gridcell" class="td bytes">
                    <i style={{ width: `${(100 * bytes) / Math.max(1, total.bytes)}%` }} />
                    <b>{formatBytes(bytes)}</b>
                    <span>{formatPercent(bytes, total.bytes)}</span>
                  </div>
                  {before !== null && (
                    <div role="gridcell" class="td change">
                      <Change bytes={bytes - before.byGroup.bytes[group]!} />
                    </div>
                  )}
                  <div role="gridcell" class="td count">
                    {formatCount(byGroup.count[group]!)}
                  </div>
                  <div role="gridcell" class="td package" title={texts.owner[group]}>
                    {texts.owner[group]}
                  </div>
                  <div role="gridcell" class="td where">
                    <span class="function">{texts.where[group]}</span>
                    <span class="place">{texts.place[group]}</span>
                  </div>
                </>
              );
            }}
          />
        )}
      </div>
      {state.group > 0 && <GroupDetails group={state.group} onClose={() => change({ group: 0 })} />}
    </div>
  );
}

function Change({ bytes }: { bytes: number }) {
  return <span class={bytes > 0 ? 'more' : bytes < 0 ? 'less' : 'same'}>{changeText(bytes)}</span>;
}
