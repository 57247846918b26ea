// Resident memory as one bar and the table that it adds up with.
import { useState } from 'preact/hooks';
import type { MemoryAtCheckpoint, MemoryPartFacts } from '../../html/report-data.js';
import { formatBytes, formatCount, formatPercent } from '../format.js';

const colours: Readonly<Record<string, string>> = {
  'native-live': '--mem-live',
  arraybuffers: '--mem-buffers',
  'allocator-overhead': '--mem-overhead',
  'allocator-cached': '--mem-cached',
  'allocator-free': '--mem-free',
  'allocator-top': '--mem-top',
  'allocator-unrecorded': '--mem-unrecorded',
  'other-allocator': '--mem-free',
  'v8-code': '--mem-code',
  mapped: '--mem-mapped',
  stacks: '--mem-stacks',
  files: '--mem-files',
  memprof: '--mem-own',
};

function colourOf(kind: string): string {
  const name = colours[kind] ?? (kind.startsWith('v8') ? '--mem-v8' : '--mem-rest');
  return `var(${name})`;
}

export function MemorySum({ of }: { of: MemoryAtCheckpoint }) {
  const parts = of.parts.filter((one) => one.residentBytes !== 0 || one.kind === 'unexplained');
  // What is counted twice (pages of zeros) would make the parts longer than the bar.
  const sum = parts.reduce((total, one) => total + Math.max(0, one.residentBytes), 0);
  return (
    <section class="card memory-sum" aria-label="Resident memory">
      <h2>What it consists of</h2>
      <div
        class="sum-bar"
        role="img"
        aria-label={`Resident memory as a bar: ${parts
          .map((one) => `${one.label} ${formatPercent(one.residentBytes, of.residentBytes)}`)
          .join(', ')}`}
      >
        {parts.map((one) =>
          one.residentBytes > 0 ? (
            <i
              key={one.kind}
              title={`${one.label}: ${formatBytes(one.residentBytes)}`}
              style={{
                width: `${(100 * one.residentBytes) / sum}%`,
                background: colourOf(one.kind),
              }}
            />
          ) : null,
        )}
      </div>
      <div class="scroll">
        <table class="plain sum-table">
          <thead>
            <tr>
              <th scope="col">Part</th>
              {['Resident', 'Share', 'Size', 'Count'].map((title) => (
                <th key={title} scope="col" class={`number ${title.toLowerCase()}`}>
                  {title}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {parts.map((one) => (
              <Part key={one.kind} part={one} whole={of.residentBytes} />
            ))}
          </tbody>
          <tfoot>
            <tr>
              <th scope="row">All of it</th>
              <td class="number strong">{formatBytes(of.residentBytes)}</td>
              <td class="number share">100%</td>
              <td class="size" />
              <td class="count" />
            </tr>
          </tfoot>
        </table>
      </div>
    </section>
  );
}

function Part({ part, whole }: { part: MemoryPartFacts; whole: number }) {
  const [isOpen, setOpen] = useState(false);
  const canOpen = part.rows.length > 0;
  const cells = (residentBytes: number, share: string, size: number | null, count: number) => (
    <>
      <td class="number">{formatBytes(residentBytes)}</td>
      <td class="number share">{share}</td>
      <td class="number size">{size === null ? '' : formatBytes(size)}</td>
      <td class="number count">{count === 0 ? '' : formatCount(count)}</td>
    </>
  );
  const label = (
    <>
      <i class="swatch" style={{ background: colourOf(part.kind) }} />
      {part.label}
    </>
  );
  return (
    <>
      <tr>
        <th scope="row">
          {canOpen ? (
            <button
              type="button"
              class="opens"
              aria-expanded={isOpen}
              onClick={() => setOpen(!isOpen)}
            >
              {label}
            </button>
          ) : (
            <span>{label}</span>
          )}
        </th>
        {cells(
          part.residentBytes,
          formatPercent(part.residentBytes, whole),
          part.sizeBytes,
          part.count,
        )}
      </tr>
      {isOpen &&
        part.rows.map((row) => (
          <tr key={row.name} class="within">
            <th scope="row">{row.name}</th>
            {cells(
              row.residentBytes,
              formatPercent(row.residentBytes, whole),
              row.sizeBytes,
              row.count,
            )}
          </tr>
        ))}
      {isOpen && part.hiddenRows.count > 0 && (
        <tr class="within">
          <th scope="row">{formatCount(part.hiddenRows.count)} more</th>
          {cells(part.hiddenRows.residentBytes, '', null, 0)}
        </tr>
      )}
    </>
  );
}
