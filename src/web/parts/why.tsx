// What holds a site's blocks, or that nobody does, pointer by pointer.
import type { PageData } from '../../html/page-data.js';
import type { WhyPath } from '../../html/report-data.js';
import { formatBytes, formatCount } from '../format.js';

export function waysOfGroup(data: PageData, group: number): WhyPath[] {
  return data.head.whys.filter((one) => one.group === group);
}

export function Why({ path }: { path: WhyPath }) {
  return (
    <div class="why">
      <p>
        <strong>{formatBytes(path.sizeBytes)}</strong> in {formatCount(path.blockCount)}{' '}
        {path.blockCount === 1 ? 'block' : 'blocks'}
        {path.type === '' ? '' : `, ${path.type}`}: {path.text}
      </p>
      {path.hops.length > 0 && (
        <ol>
          {path.hops.map((hop, at) => (
            <li key={at}>
              {path.hiddenHops > 0 && at === path.hops.length - 3 && (
                <span class="faint">… {formatCount(path.hiddenHops)} blocks more … </span>
              )}
              <code>{hop.place}</code> <span class="number">{formatBytes(hop.sizeBytes)}</span>{' '}
              {hop.text}
            </li>
          ))}
          <li class="root">{path.root}</li>
        </ol>
      )}
    </div>
  );
}
