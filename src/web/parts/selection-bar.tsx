// The one selection that all views follow: measure, package, thread, range of time.
import type { Selection } from '../../html/selection.js';
import { allPackages, totalOf, usersPackages } from '../../html/selection.js';
import { formatBytes, formatCount } from '../../report/units.js';
import { changeText, edgeName, measureText, timeText } from '../format.js';
import { firstState, isWholeRange, measures, useReport, whyNot } from '../state.js';
import { RangeStrip } from './range-strip.js';

export function SelectionBar() {
  const { data, state, bySite, before, change } = useReport();
  const { head } = data;
  const total = totalOf(bySite);
  const withSites = packagesWithSites(data.sites.package);
  const first = firstState(data);
  const isChanged =
    !isWholeRange(data, state) || state.package !== allPackages || state.thread !== -1;
  return (
    <section class="selection" aria-label="Selection">
      <div class="controls">
        <div class="segments" role="radiogroup" aria-label="Measure">
          {measures.map(({ name, title }) => {
            const why = whyNot(data, name);
            return (
              <label key={name} class={why === null ? '' : 'off'} title={why ?? undefined}>
                <input
                  type="radio"
                  name="measure"
                  value={name}
                  checked={state.measure === name}
                  disabled={why !== null}
                  onChange={() => change({ measure: name })}
                />
                <span>{title}</span>
              </label>
            );
          })}
        </div>
        <label class="pick">
          <span>Package</span>
          <select
            value={String(state.package)}
            onChange={(event) => change({ package: Number(event.currentTarget.value) })}
          >
            <option value={String(allPackages)}>all</option>
            <option value={String(usersPackages)}>all but Node’s own</option>
            {withSites.map((row) => (
              <option key={row} value={String(row)}>
                {head.packages[row]!.label}
              </option>
            ))}
          </select>
        </label>
        {head.threads.length > 1 && (
          <label class="pick">
            <span>Thread</span>
            <select
              value={String(state.thread)}
              onChange={(event) => change({ thread: Number(event.currentTarget.value) })}
            >
              <option value="-1">all</option>
              {head.threads.map((name, row) => (
                <option key={row} value={String(row)}>
                  {name}
                </option>
              ))}
            </select>
          </label>
        )}
        {isChanged && (
          <button
            type="button"
            class="quiet"
            onClick={() =>
              change({ from: first.from, to: first.to, package: allPackages, thread: -1 })
            }
          >
            Reset
          </button>
        )}
      </div>
      <RangeStrip />
      <p class="sentence" role="status">
        <strong>{formatBytes(total.bytes)}</strong> in {formatCount(total.count)}{' '}
        {state.measure === 'total' || state.measure === 'temporary' ? 'allocations' : 'blocks'}:{' '}
        {measureText(data, state as Selection)}
        {isWholeRange(data, state)
          ? ''
          : ` (${timeText(head.edges[state.from]!.atNs, head)} to ${edgeName(head, state.to)})`}
        {before !== null && head.compared !== null && (
          <>
            {'; '}
            <strong>{changeText(total.bytes - totalOf(before.bySite).bytes)}</strong> compared with{' '}
            {head.compared.traceName}, {head.compared.momentText}
          </>
        )}
        {before === null &&
          head.compared !== null &&
          `; compared with ${head.live === undefined ? 'the earlier trace' : head.compared.traceName} is Live, of all threads and the whole range`}
      </p>
    </section>
  );
}

function packagesWithSites(column: Uint16Array): number[] {
  return [...new Set(column)].sort((a, b) => a - b);
}
