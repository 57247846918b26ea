// What the report says first: in words, worst first, each with what proves it. Pure.
import type { TraceModel } from '../model/index.js';
import {
  formatBytes,
  formatCount,
  formatPercent,
  frameText,
  isLeak,
  isStartCode,
  isToActOn,
  isUsers,
  type LeakReport,
  type LeakSite,
  type NapiAddon,
  ownerText,
  plumbingOf,
  type RootNames,
  type StackContext,
  shortPlaceOf,
  siteFrame,
  siteRemarks,
  verdictText,
} from '../report/index.js';
import type { StackFrame } from '../symbols/index.js';
import type { ReportFinding } from './report-data.js';
import type { StackIndex } from './stack-index.js';
import { safeText } from './texts.js';

const mostLeakFindings = 40;

export interface FindingInput {
  model: TraceModel;
  index: StackIndex;
  leaks: LeakReport | null;
  names: RootNames;
  napi: readonly NapiAddon[];
  context: StackContext;
}

export function findingsOf(input: FindingInput): ReportFinding[] {
  const { leaks, napi } = input;
  const sites = leaks?.sites.filter(isToActOn) ?? [];
  const found = sites.slice(0, mostLeakFindings).map((site) => leakFinding(input, site));
  const rest = sites.slice(mostLeakFindings);
  if (rest.length > 0)
    found.push({
      level: rest.some((site) => isLeak(site.verdict)) ? 'bad' : 'warning',
      title: `${formatCount(rest.length)} more sites lose or gather memory: ${formatBytes(rest.reduce((sum, one) => sum + one.live.sizeBytes + one.behind.sizeBytes, 0))}`,
      details: [],
      view: 'sites',
      measure: rest.some((site) => isLeak(site.verdict)) ? 'lost' : 'live',
      group: null,
      packageIndex: null,
    });
  for (const addon of napi)
    for (const finding of addon.findings)
      found.push({
        level: 'warning',
        title: `${isUsers(addon.owner) ? ownerText(addon.owner) : 'An addon whose frame had left the stack'}: ${safeText(finding.text, 400)}`,
        details: [],
        view: 'napi',
        measure: 'live',
        group: null,
        packageIndex: input.index.packageOfOwner(addon.owner),
      });
  found.push(...waste(input));
  return found;
}

function leakFinding(input: FindingInput, site: LeakSite): ReportFinding {
  const { model, index, leaks, names, context } = input;
  const bytes = site.live.sizeBytes + site.behind.sizeBytes;
  const blocks = site.live.blockCount + site.behind.blockCount;
  const frame = siteFrame(site.stack, context);
  const place = frame === null ? '' : shortPlaceOf(frame, context);
  const where =
    frame === null ? 'at an unknown place' : `by ${safeText(frameText(frame, 100), 140)}`;
  const by = placesOf(site, context);
  const what = isLeak(site.verdict)
    ? verdictText[site.verdict]
    : `${verdictText[site.verdict]} and growing`;
  return {
    level: isLeak(site.verdict) ? 'bad' : 'warning',
    title: `${ownerText(site.stack.owner)}: ${formatBytes(bytes)} in ${formatCount(blocks)} ${blocks === 1 ? 'block' : 'blocks'} ${what}, allocated ${where}${place === '' ? '' : ` (${safeText(place, 100)})`}`,
    details: [
      ...(by === '' ? [] : [by]),
      ...siteRemarks(model, leaks as LeakReport, site, { names, context }).map((text) =>
        safeText(text, 500),
      ),
    ],
    view: 'sites',
    measure: isLeak(site.verdict) ? 'lost' : 'live',
    group: index.groupOf(site.stack) || null,
    packageIndex: index.packageOfOwner(site.stack.owner),
  };
}

const mostCallers = 3;

/** Many sites share the function that allocates for them: its callers tell them apart, and the script's line. */
function placesOf({ stack }: LeakSite, context: StackContext): string {
  const start = siteFrame(stack, context);
  const callers = start === null ? [] : stack.frames.slice(stack.frames.indexOf(start) + 1);
  const shown: StackFrame[] = [];
  for (const frame of callers) {
    const kind = plumbingOf(frame, context);
    if (shown.length === mostCallers || frame.kind === 'js' || kind === 'node') break;
    if (frame.kind === 'native' && kind === null && !isStartCode(frame)) shown.push(frame);
  }
  const script = callers.find(
    (frame) => frame.kind === 'js' && plumbingOf(frame, context) === null,
  );
  if (script !== undefined) shown.push(script);
  if (shown.length === 0) return '';
  const text = (frame: StackFrame) => {
    const name = safeText(frameText(frame, 60), 100);
    const place = frame === script ? shortPlaceOf(frame, context) : '';
    return place === '' ? name : `${name} (${safeText(place, 100)})`;
  };
  return `for ${shown.map(text).join(' ← ')}`;
}

const manyTemporary = 100_000;
const highPeak = 4;
const muchPeakBytes = 16 << 20;

/** Not leaks, but worth a look. */
function waste({ model }: FindingInput): ReportFinding[] {
  const found: ReportFinding[] = [];
  const note = (title: string, measure: ReportFinding['measure'], view: ReportFinding['view']) =>
    found.push({
      level: 'note',
      title,
      details: [],
      view,
      measure,
      group: null,
      packageIndex: null,
    });
  const { totals, stackTotals } = model;
  const { live } = model.beforeTeardown ?? model.atEnd;
  let liveBytes = 0;
  for (let row = 0; row < live.count; row++) liveBytes += live.sizeBytes[row]!;
  if (totals.peakBytes >= muchPeakBytes && totals.peakBytes > highPeak * liveBytes)
    note(
      `The peak was ${formatBytes(totals.peakBytes)}, ${liveBytes === 0 ? '' : `${Math.round(totals.peakBytes / liveBytes)} times `}what was left: see what was live at that moment`,
      'peak',
      'flame',
    );
  let temporaryCount = 0;
  for (const count of stackTotals.temporaryCount) temporaryCount += count;
  if (temporaryCount >= manyTemporary && temporaryCount * 4 > totals.allocationCount)
    note(
      `${formatPercent(temporaryCount, totals.allocationCount)} of all ${formatCount(totals.allocationCount)} allocations were temporary: freed by the very next call of the same thread`,
      'temporary',
      'sites',
    );
  return found;
}
