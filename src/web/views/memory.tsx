// Resident memory at a checkpoint: a sum that adds up, why it is resident, arenas, pages, and what keeps them.
import type { MemoryAtCheckpoint, V8Facts } from '../../html/report-data.js';
import { formatBytes, formatCount, formatPercent, timeText } from '../format.js';
import { HeatMap } from '../parts/heat-map.js';
import { MemorySum } from '../parts/memory-sum.js';
import { Pinning } from '../parts/pinning.js';
import { type Cell, PlainTable } from '../parts/plain-table.js';
import { useReport } from '../state.js';

export function MemoryView() {
  const { data, state, change } = useReport();
  const { memory } = data.head;
  const last = memory.checkpoints.at(-1);
  const shown = memory.checkpoints.find(({ number }) => number === state.checkpoint) ?? last;
  if (shown === undefined || last === undefined)
    return (
      <div class="memory">
        <p class="empty">{memory.missing}</p>
      </div>
    );
  return (
    <div class="memory">
      <header class="wide">
        <h1>{formatBytes(shown.residentBytes)} resident</h1>
        <div class="tools">
          {memory.checkpoints.length > 1 ? (
            <label class="pick">
              <span>at</span>
              <select
                value={String(shown.number)}
                onChange={(event) => {
                  const number = Number(event.currentTarget.value);
                  change({ checkpoint: number === last.number ? 0 : number });
                }}
              >
                {memory.checkpoints.map((one) => (
                  <option key={one.number} value={String(one.number)}>
                    {atText(one, data.head)}
                  </option>
                ))}
              </select>
            </label>
          ) : (
            <span class="faint">at {atText(shown, data.head)}</span>
          )}
          <span class="faint">
            Of the whole process: range, measure and thread do not apply here.
          </span>
        </div>
        {[...shown.notes, ...hiddenNote(memory.hiddenCheckpointCount)].map((text, at) => (
          <p key={at} class="faint">
            {sentence(text)}
          </p>
        ))}
      </header>
      <MemorySum of={shown} />
      <Why of={shown} />
      {shown.v8 !== null && <V8Heap v8={shown.v8} />}
      <Arenas of={shown} />
      {shown.pages !== null && shown.sizes !== null && shown.arenas.length > 0 ? (
        <>
          <Pinning of={shown} />
          {shown.map !== null && <HeatMap key={shown.number} map={shown.map} />}
          <Pages of={shown} />
          <Sizes of={shown} />
        </>
      ) : (
        shown.arenas.length > 0 && (
          <p class="empty wide">
            Single pages are kept of the last checkpoint only: fragmentation by page, size and site,
            and the map of the heaps, are there.
          </p>
        )
      )}
    </div>
  );
}

const atText = ({ number, atNs }: MemoryAtCheckpoint, head: { durationNs: number }): string =>
  `checkpoint ${number}, after ${timeText(atNs, head)}`;

const sentence = (text: string): string =>
  `${text[0]?.toUpperCase() ?? ''}${text.slice(1)}${text.endsWith('.') ? '' : '.'}`;

const hiddenNote = (count: number): string[] =>
  count === 0
    ? []
    : [`${formatCount(count)} more checkpoints in between are left out to keep this file small.`];

function Why({ of }: { of: MemoryAtCheckpoint }) {
  return (
    <section class="card reasons" aria-label="Why it is resident">
      <h2>Why it is resident</h2>
      {of.verdicts.length === 0 && (
        <p class="empty">
          {of.arenas.length === 0
            ? 'Nothing stands out of what is known: of the allocator’s insides nothing is.'
            : 'Nothing stands out: no leak, little released memory that stays.'}
        </p>
      )}
      {of.verdicts.map((verdict, at) => (
        <div key={at} class={`reason ${verdict.level}`}>
          <p class="title">{verdict.title}</p>
          {verdict.facts.map((text, row) => (
            <p key={row} class="faint">
              {text}
            </p>
          ))}
          {verdict.remedies.length > 0 && (
            <ul>
              {verdict.remedies.map((text, row) => (
                <li key={row}>{text}</li>
              ))}
            </ul>
          )}
        </div>
      ))}
      {of.heap !== null && of.v8 === null && (
        <p class="faint">
          V8’s heap: {formatBytes(of.heap.usedBytes)} used of {formatBytes(of.heap.totalBytes)}. By
          space: not recorded.
        </p>
      )}
      {of.swappedBytes > 0 && (
        <p class="faint">{formatBytes(of.swappedBytes)} more are swapped out.</p>
      )}
    </section>
  );
}

function V8Heap({ v8 }: { v8: V8Facts }) {
  const row = (name: string, one: V8Facts['total'], kind?: string) => ({
    key: name,
    ...(kind === undefined ? {} : { class: kind }),
    cells: [
      name,
      formatBytes(one.usedBytes),
      formatBytes(one.committedBytes),
      formatBytes(one.physicalBytes),
      formatBytes(one.availableBytes),
    ],
  });
  return (
    <section class="card wide" aria-label="V8’s heap">
      <h2>V8’s heap by space, as V8 says</h2>
      <PlainTable
        heads={['Space', 'Used', 'Committed', 'Physical', 'Available']}
        rows={[
          ...v8.spaces.map((space) => row(space.name, space)),
          row('all spaces', v8.total, 'total'),
        ]}
      />
      {v8.texts.map((text, at) => (
        <p key={at} class="faint">
          {text}
        </p>
      ))}
    </section>
  );
}

const fewArenas = 12;

function Arenas({ of }: { of: MemoryAtCheckpoint }) {
  if (of.arenas.length === 0) return null;
  const rows = of.arenas.map((arena): { key: string; cells: Cell[] } => ({
    key: arena.name,
    cells: [
      arena.name === 'main' ? 'main' : `0x${arena.name}`,
      formatBytes(arena.residentBytes),
      formatBytes(arena.liveAskedBytes),
      formatCount(arena.liveBlockCount),
      formatBytes(arena.cachedBytes),
      formatBytes(arena.freeBytes),
      formatBytes(arena.topBytes),
      formatBytes(arena.largestFreeBytes),
      formatBytes(arena.trimmableBytes),
    ],
  }));
  return (
    <section class="card wide" aria-label="Arenas">
      <h2>Arenas of the allocator</h2>
      <PlainTable
        heads={[
          'Arena',
          'Resident',
          'Live',
          'Blocks',
          'Kept for next call',
          'In bins',
          'At end',
          'Largest free',
          'Trim gives',
        ]}
        rows={rows}
        few={fewArenas}
      />
      <p class="faint">
        Live is what the program asked for. Kept, in bins and at the end: released, or never handed
        out, and resident. Trim: what malloc_trim(0) would give back.
        {of.hiddenArenaCount > 0 ? ` ${formatCount(of.hiddenArenaCount)} more are smaller.` : ''}
      </p>
    </section>
  );
}

const pageBytes = 4096;

function Pages({ of }: { of: MemoryAtCheckpoint }) {
  const pages = of.pages ?? [];
  const total = pages.reduce((sum, one) => sum + one.pageCount, 0);
  return (
    <section class="card" aria-label="Pages of the heaps">
      <h2>Resident pages, by what live blocks fill</h2>
      <PlainTable
        heads={['Filled', 'Pages', 'Share', 'Resident', 'Live']}
        rows={pages.map((one) => ({
          key: one.text,
          cells: [
            one.text,
            formatCount(one.pageCount),
            formatPercent(one.pageCount, total),
            formatBytes(one.pageCount * pageBytes),
            formatBytes(one.liveBytes),
          ],
        }))}
      />
    </section>
  );
}

function Sizes({ of }: { of: MemoryAtCheckpoint }) {
  return (
    <section class="card" aria-label="Live blocks by size">
      <h2>Live blocks in the heaps, by size</h2>
      <PlainTable
        heads={['Up to', 'Blocks', 'Live', 'Pages', 'These are filled']}
        rows={(of.sizes ?? []).map((one) => ({
          key: String(one.upToBytes),
          cells: [
            formatBytes(one.upToBytes),
            formatCount(one.blockCount),
            formatBytes(one.sizeBytes),
            formatCount(one.pageCount),
            formatPercent(one.liveBytes, one.pageCount * pageBytes),
          ],
        }))}
      />
      <p class="faint">The largest blocks have mappings of their own, outside of the heaps.</p>
    </section>
  );
}
