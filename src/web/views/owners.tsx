// Blocks by what they are and who holds them: verdicts, classes, types, sizes, lifetimes.
import { useMemo, useState } from 'preact/hooks';
import type { PageData } from '../../html/page-data.js';
import { verdicts } from '../../html/report-data.js';
import { eachSelected, sitesOfPackage } from '../../html/selection.js';
import { formatBytes, formatCount, lifeClassText, measureText, sizeClassText } from '../format.js';
import { type BarRow, Bars } from '../parts/bars.js';
import { Why } from '../parts/why.js';
import { type State, useReport } from '../state.js';

const verdictNames: Readonly<Record<string, string>> = {
  lost: 'lost',
  'lost-indirect': 'lost behind others',
  orphaned: 'orphaned',
  pending: 'pending: a finalizer waits',
  'held-by-js': 'held by JavaScript',
  'held-by-native': 'held by native code',
  runtime: 'Node’s own',
  ignored: 'ignored: the program said so',
  unknown: 'not known',
};

interface Sum {
  count: number;
  bytes: number;
}

function addTo(sums: Map<number, Sum>, key: number, count: number, bytes: number): void {
  const sum = sums.get(key);
  if (sum === undefined) sums.set(key, { count, bytes });
  else {
    sum.count += count;
    sum.bytes += bytes;
  }
}

function blockSums(data: PageData, state: State) {
  const passes = sitesOfPackage(data, state.package);
  const [byVerdict, byClass, byType] = [
    new Map<number, Sum>(),
    new Map<number, Sum>(),
    new Map<number, Sum>(),
  ];
  const { blocks } = data;
  for (let row = 0; row < blocks.site.length; row++) {
    if (passes[blocks.site[row]!] === 0) continue;
    const birth = blocks.birth[row]!;
    if (birth < state.from || birth >= state.to) continue;
    if (state.thread >= 0 && blocks.thread[row] !== state.thread) continue;
    const [count, bytes] = [blocks.count[row]!, blocks.bytes[row]!];
    addTo(byVerdict, blocks.verdict[row]!, count, bytes);
    addTo(byClass, blocks.class[row]!, count, bytes);
    addTo(byType, blocks.type[row]!, count, bytes);
  }
  return { byVerdict, byClass, byType };
}

function lifetimes(data: PageData, state: State): Map<number, Sum> {
  const passes = sitesOfPackage(data, state.package);
  const sums = new Map<number, Sum>();
  const { lives } = data;
  for (let row = 0; row < lives.site.length; row++) {
    if (passes[lives.site[row]!] === 0) continue;
    if (state.thread >= 0 && lives.thread[row] !== state.thread) continue;
    addTo(sums, lives.life[row]!, lives.count[row]!, lives.bytes[row]!);
  }
  return sums;
}

const largestFirst = (sums: ReadonlyMap<number, Sum>): [number, Sum][] =>
  [...sums].sort((a, b) => b[1].bytes - a[1].bytes || b[1].count - a[1].count);

function inOrder(sums: ReadonlyMap<number, Sum>, text: (key: number) => string): BarRow[] {
  if (sums.size === 0) return [];
  const keys = [...sums.keys()];
  const rows: BarRow[] = [];
  for (let key = Math.min(...keys); key <= Math.max(...keys); key++)
    if (sums.has(key) || rows.length > (sums.has(0) ? 1 : 0))
      rows.push({ key, label: text(key), ...(sums.get(key) ?? { count: 0, bytes: 0 }) });
  return rows;
}

export function OwnersView() {
  const { data, state, change } = useReport();
  const { head } = data;
  const sums = useMemo(
    () => blockSums(data, state),
    [data, state.package, state.thread, state.from, state.to],
  );
  const sizes = useMemo(() => {
    const bySize = new Map<number, Sum>();
    eachSelected(data, state, (_site, count, bytes, size) => addTo(bySize, size, count, bytes));
    return bySize;
  }, [data, state.package, state.thread, state.from, state.to, state.measure]);
  const lives = useMemo(() => lifetimes(data, state), [data, state.package, state.thread]);
  const named = (names: readonly string[], none: string) => (key: number) =>
    key === 0 ? none : names[key]!;
  const classRows = largestFirst(sums.byClass).map(([key, sum]) => ({
    key,
    label: named(head.classes, 'no JavaScript object')(key),
    ...sum,
  }));
  const typeRows = largestFirst(sums.byType).map(([key, sum]) => ({
    key,
    label: named(head.types, 'type not known')(key),
    ...sum,
  }));
  const noBlocks = head.checkpoints.length === 0 || data.blocks.site.length === 0;
  const at = `At checkpoint ${head.verdictCheckpoint}: blocks that were allocated in the selected range.`;
  const verdictCard = (
    <section class="card" aria-label="By verdict">
      <h2>By verdict</h2>
      <p class="faint">{at}</p>
      <Bars
        unit="blocks"
        empty="No blocks in this selection."
        rows={largestFirst(sums.byVerdict).map(([key, sum]) => ({
          key,
          label: verdictNames[verdicts[key]!] ?? '',
          ...sum,
        }))}
      />
    </section>
  );
  const classCard = (
    <section class="card" aria-label="By JavaScript class">
      <h2>By JavaScript class</h2>
      <p class="faint">What holds a block, directly or through other blocks.</p>
      <Long rows={classRows} />
    </section>
  );
  const typeCard = (
    <section class="card" aria-label="By C++ type">
      <h2>By C++ type</h2>
      <p class="faint">By its vtable, or by the container or part of Node that allocated it.</p>
      <Long rows={typeRows} />
    </section>
  );
  const sizeCard = (
    <section class="card" aria-label="By size">
      <h2>By size</h2>
      <p class="faint">{capital(measureText(data, state))}.</p>
      {state.measure === 'temporary' ? (
        <p class="empty">Sizes of temporary blocks are not kept apart: look at Total.</p>
      ) : (
        <Bars
          rows={inOrder(sizes, sizeClassText)}
          by="count"
          unit="blocks"
          empty="Nothing in this selection."
        />
      )}
    </section>
  );
  const lifeCard = (
    <section class="card" aria-label="By lifetime">
      <h2>By lifetime</h2>
      <p class="faint">
        Blocks that were freed, in the whole run: package and thread apply, the range does not.
      </p>
      <Bars
        rows={inOrder(lives, lifeClassText)}
        by="count"
        unit="blocks"
        empty={
          head.hasEvents
            ? 'Nothing was freed in this selection.'
            : 'The trace has no events: lifetimes are not known.'
        }
      />
    </section>
  );
  return (
    <div class="owners">
      {noBlocks && (
        <p class="empty wide">
          No checkpoint with its blocks is in this trace, so who holds what is not known.
          memprof-run takes one before the program ends, unless told not to.
        </p>
      )}
      <div class="column">
        {!noBlocks && verdictCard}
        {!noBlocks && typeCard}
        {sizeCard}
      </div>
      <div class="column">
        {!noBlocks && classCard}
        {lifeCard}
      </div>
      {head.classTable.length > 0 && <Classes />}
      {head.whys.length > 0 && (
        <section class="card wide" aria-label="Ways">
          <h2>What holds blocks</h2>
          <p class="faint">
            Ways from roots to blocks at checkpoint {head.verdictCheckpoint}, most bytes first.
          </p>
          <Ways onSite={(group) => change({ view: 'sites', group })} />
        </section>
      )}
    </div>
  );
}

const capital = (text: string): string => text.replace(/^./, (letter) => letter.toUpperCase());

const fewRows = 10;

function Long({ rows }: { rows: readonly BarRow[] }) {
  const [isOpen, setOpen] = useState(false);
  const shown = isOpen ? rows.slice(0, 500) : rows.slice(0, fewRows);
  return (
    <>
      <Bars rows={shown} unit="blocks" empty="No blocks in this selection." />
      {rows.length > fewRows && (
        <button type="button" class="quiet" onClick={() => setOpen(!isOpen)}>
          {isOpen ? 'Show fewer' : `Show ${formatCount(Math.min(rows.length, 500))}`}
        </button>
      )}
    </>
  );
}

function Classes() {
  const { head } = useReport().data;
  const [isOpen, setOpen] = useState(false);
  const rows = head.classTable.filter((row) => row.blockCount > 0);
  if (rows.length === 0) return null;
  return (
    <section class="card wide" aria-label="Objects">
      <h2>Objects and what they hold</h2>
      <p class="faint">
        Of the whole checkpoint, whatever is selected. JS sees: the sum of their byteLength.
      </p>
      <div class="scroll">
        <table class="plain">
          <thead>
            <tr>
              <th scope="col">Class</th>
              <th scope="col" class="number">
                Native bytes
              </th>
              <th scope="col" class="number">
                Blocks
              </th>
              <th scope="col" class="number">
                Objects
              </th>
              <th scope="col" class="number">
                JS sees
              </th>
            </tr>
          </thead>
          <tbody>
            {(isOpen ? rows.slice(0, 500) : rows.slice(0, fewRows)).map((row, at) => (
              <tr key={at}>
                <th scope="row">{row.name}</th>
                <td class="number">{formatBytes(row.sizeBytes)}</td>
                <td class="number">{formatCount(row.blockCount)}</td>
                <td class="number">{formatCount(row.objectCount)}</td>
                <td class="number">{row.jsBytes === null ? '' : formatBytes(row.jsBytes)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {rows.length > fewRows && (
        <button type="button" class="quiet" onClick={() => setOpen(!isOpen)}>
          {isOpen ? 'Show fewer' : `Show all ${formatCount(rows.length)}`}
        </button>
      )}
    </section>
  );
}

function Ways({ onSite }: { onSite: (group: number) => void }) {
  const { data, state } = useReport();
  const [count, setCount] = useState(8);
  const passes = sitesOfPackage(data, state.package);
  const whys = data.head.whys.filter((one) => passes[data.groups.site[one.group]!] === 1);
  if (whys.length === 0) return <p class="empty">None of this package.</p>;
  return (
    <>
      <ul class="ways">
        {whys.slice(0, count).map((path, at) => (
          <li key={at}>
            <Why path={path} />
            <button type="button" class="quiet" onClick={() => onSite(path.group)}>
              Its site
            </button>
          </li>
        ))}
      </ul>
      {whys.length > count && (
        <button type="button" class="quiet" onClick={() => setCount(count + 20)}>
          {formatCount(Math.min(20, whys.length - count))} more of {formatCount(whys.length)}
        </button>
      )}
    </>
  );
}
