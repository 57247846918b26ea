// One site: its numbers in every measure, its stack, and what holds its blocks.
import { useEffect, useMemo, useRef } from 'preact/hooks';
import type { PageData } from '../../html/page-data.js';
import { sumByGroup, sumBySite } from '../../html/selection.js';
import { formatBytes, formatCount } from '../format.js';
import { measures, useReport, whyNot } from '../state.js';
import { leadingFrame } from './leading.js';
import { Stack } from './stack.js';
import { Why, waysOfGroup } from './why.js';

export function groupNode(data: PageData, group: number): number {
  return data.sites.node[data.groups.site[group]!]!;
}

export function leadingFrameOfGroup(data: PageData, group: number): number {
  const owner = data.sites.package[data.groups.site[group]!]!;
  return leadingFrame(data, groupNode(data, group), owner);
}

export function GroupDetails({ group, onClose }: { group: number; onClose: () => void }) {
  const { data, state, before } = useReport();
  const sums = useMemo(
    () =>
      measures
        .filter(({ name }) => whyNot(data, name) === null)
        .map(({ name, title }) => {
          const sum = sumByGroup(data, sumBySite(data, { ...state, measure: name }));
          return { name, title, bytes: sum.bytes[group]!, count: sum.count[group]! };
        }),
    [data, state.from, state.to, state.thread, state.package, group],
  );
  const place = useRef<HTMLElement>(null);
  // On a narrow screen it comes below the table: out of sight.
  useEffect(() => {
    const top = place.current?.getBoundingClientRect().top ?? 0;
    if (top > innerHeight - 120) place.current?.scrollIntoView({ block: 'start' });
  }, [group]);
  const ways = waysOfGroup(data, group);
  const frame = leadingFrameOfGroup(data, group);
  const { head } = data;
  const owner = head.packages[data.sites.package[data.groups.site[group]!]!]!;
  return (
    <section class="details" aria-label="Site" ref={place}>
      <header>
        <div>
          <h2>{head.strings[data.frames.name[frame]!] || 'No stack'}</h2>
          <p class="faint">
            {owner.label}
            {data.frames.place[frame] === 0 ? '' : `, ${head.strings[data.frames.place[frame]!]}`}
          </p>
        </div>
        <button type="button" class="quiet" onClick={onClose}>
          Close
        </button>
      </header>
      <dl class="sums">
        {sums.map(({ name, title, bytes, count }) => (
          <div key={name} class={name === state.measure ? 'chosen' : ''}>
            <dt>{title}</dt>
            <dd>
              {formatBytes(bytes)}
              <span>{formatCount(count)}</span>
            </dd>
          </div>
        ))}
        {before !== null && (
          <div>
            <dt>Before</dt>
            <dd>
              {formatBytes(before.byGroup.bytes[group]!)}
              <span>{formatCount(before.byGroup.count[group]!)}</span>
            </dd>
          </div>
        )}
      </dl>
      <h3>Allocated by</h3>
      <Stack key={group} data={data} node={groupNode(data, group)} />
      <h3>Held by</h3>
      {ways.length > 0 ? (
        <>
          <p class="faint">At checkpoint {head.verdictCheckpoint}, whatever range is selected.</p>
          {ways.map((path, at) => (
            <Why key={at} path={path} />
          ))}
        </>
      ) : (
        <p class="empty">
          {head.hasVerdicts
            ? 'No block of it is among those for which the report keeps the way to what holds them.'
            : 'No checkpoint says who holds what in this trace.'}
        </p>
      )}
    </section>
  );
}
