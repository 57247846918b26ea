// What addons got from Node-API and V8, gave back, and still hold.
import { useState } from 'preact/hooks';
import type { NapiFacts, NapiKind } from '../../html/report-data.js';
import { formatBytes, formatCount } from '../format.js';
import { leadingOf } from '../parts/leading.js';
import { Stack } from '../parts/stack.js';
import { useReport } from '../state.js';

export function NapiView() {
  const { data, state } = useReport();
  const addons = data.head.napi.filter(
    (one) => state.package < 0 || one.packageIndex === state.package,
  );
  if (data.head.napi.length === 0)
    return (
      <p class="empty wide">
        No addon called Node-API or V8 for anything that has to be given back.
      </p>
    );
  if (addons.length === 0)
    return <p class="empty wide">The selected package got nothing from Node-API.</p>;
  return (
    <div class="napi">
      <p class="faint">
        Of the whole run, as it was {data.head.totals.momentText}: the package applies, the range
        does not.
      </p>
      {addons.map((addon, at) => (
        <Addon key={at} addon={addon} />
      ))}
    </div>
  );
}

function Counts({ one }: { one: NapiKind }) {
  return (
    <>
      {[one.createdCount, one.releasedCount, one.finalizedCount, one.outstandingCount].map(
        (count, at) => (
          <td key={at} class={`number ${at === 3 && count > 0 ? 'strong' : ''}`}>
            {formatCount(count)}
          </td>
        ),
      )}
      <td class="number">{one.value}</td>
    </>
  );
}

function CountHeads() {
  return (
    <>
      {['Created', 'Released', 'Finalized', 'Outstanding', 'Value'].map((title) => (
        <th key={title} scope="col" class="number">
          {title}
        </th>
      ))}
    </>
  );
}

const fewSites = 8;

function Addon({ addon }: { addon: NapiFacts }) {
  const { data } = useReport();
  const [open, setOpen] = useState(-1);
  const [isAll, setAll] = useState(false);
  const outstanding = addon.sites.filter((site) => site.outstandingCount > 0);
  const sites = isAll ? outstanding.slice(0, 300) : outstanding.slice(0, fewSites);
  return (
    <section class="card wide" aria-label={addon.label}>
      <h2>{addon.label}</h2>
      <p class="faint">
        {addon.holdsBytes === null ? '' : `Holds ${formatBytes(addon.holdsBytes)}, `}tells V8{' '}
        {formatBytes(addon.tellsBytes)}.
      </p>
      {addon.findings.length > 0 && (
        <ul class="warnings">
          {addon.findings.map((text, at) => (
            <li key={at}>{text}</li>
          ))}
        </ul>
      )}
      <div class="scroll">
        <table class="plain">
          <thead>
            <tr>
              <th scope="col">Resource</th>
              <CountHeads />
            </tr>
          </thead>
          <tbody>
            {addon.kinds.map((one) => (
              <tr key={one.kind}>
                <th scope="row">{one.kind}</th>
                <Counts one={one} />
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {outstanding.length > 0 && (
        <>
          <h3>Outstanding, by where they were made</h3>
          <ul class="napi-sites">
            {sites.map((site, at) => (
              <li key={at}>
                <button
                  type="button"
                  class="row"
                  aria-expanded={open === at}
                  onClick={() => setOpen(open === at ? -1 : at)}
                >
                  <b>{formatCount(site.outstandingCount)}</b>
                  <span>
                    {site.kind}
                    {site.className === '' ? '' : ` of ${site.className}`}
                  </span>
                  <span class="faint">{leadingOf(data, site.node)}</span>
                </button>
                {open === at && <Stack data={data} node={site.node} />}
              </li>
            ))}
          </ul>
          {outstanding.length > fewSites && (
            <button type="button" class="quiet" onClick={() => setAll(!isAll)}>
              {isAll ? 'Show fewer' : `Show all ${formatCount(outstanding.length)}`}
            </button>
          )}
        </>
      )}
    </section>
  );
}
