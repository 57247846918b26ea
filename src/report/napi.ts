// The ledger of Node-API and V8 resources, added up by addon and by creation site, and what it says about
// the addon in words. Pure.
import {
  ResourceKind,
  type ResourceTotals,
  type StackId,
  type TraceModel,
} from '../model/index.js';
import type { NamedStack, Owner, SymbolizedStacks } from '../symbols/index.js';
import type { StackGroups } from './leaks.js';
import { isUsers } from './sites.js';
import { formatBytes, formatCount } from './units.js';

export const resourceKinds = [
  'wrap',
  'reference',
  'external',
  'external-buffer',
  'external-arraybuffer',
  'async-work',
  'threadsafe-function',
  'deferred',
  'cleanup-hook',
  'async-cleanup-hook',
  'instance-data',
  'handle-scope',
  'external-memory',
  'finalizer',
  'persistent',
  'async-context',
] as const;
export type ResourceName = (typeof resourceKinds)[number];

export function resourceName(kind: number): ResourceName | 'unknown' {
  return resourceKinds[kind - 1] ?? 'unknown';
}

/** What a kind's value is, with its unit; '' where it has none. */
export function resourceValueText(kind: number, value: number): string {
  switch (resourceName(kind)) {
    case 'external':
    case 'external-buffer':
    case 'external-arraybuffer':
    case 'external-memory':
      return value < 0 ? `-${formatBytes(-value)}` : formatBytes(value);
    case 'reference':
    case 'persistent':
      return `${formatCount(value)} strong`;
    case 'threadsafe-function':
      return `${formatCount(value)} threads`;
    default:
      return '';
  }
}

export interface ResourceCounts {
  createdCount: number;
  /** Of them, without a finalizer: nobody tells when they end. */
  unwatchedCount: number;
  releasedCount: number;
  finalizedCount: number;
  tornDownCount: number;
  outstandingCount: number;
  /** Of outstanding ones: bytes, strong holds or threads, by kind. */
  outstandingValue: number;
}

export interface ResourceSite extends ResourceCounts {
  kind: number;
  className: string;
  stack: NamedStack;
}

export type FindingKind =
  | 'reference-outlives-wrap'
  | 'strong-references'
  | 'untold-memory'
  | 'handle-scope-open'
  | 'async-work-not-deleted'
  | 'threadsafe-function-not-released'
  | 'deferred-not-settled'
  | 'async-context-not-destroyed';

export interface Finding {
  kind: FindingKind;
  count: number;
  text: string;
}

export interface NapiAddon {
  /** Node itself: an addon's function that called as its last act, and is not on the stack any more. */
  owner: Owner;
  /** Native memory that it allocated and that lives. */
  holdsBytes: number;
  /** What V8 knows of it: as it was told, and external buffers. */
  tellsBytes: number;
  findings: Finding[];
  kinds: ({ kind: number } & ResourceCounts)[];
  sites: ResourceSite[];
}

// Below these nobody need act: an addon has a constructor or two, and the collector other reasons to run.
const fewReferences = 100;
/** napi-rs, for one, keeps a thread-safe function as long as the addon lives. */
const oneForGood = 1;
const littleMemory = 16 * 2 ** 20;
const toldShare = 0.1;

/** Stacks that the ledger or the memory of addons names. */
export function resourceStackIds(model: TraceModel): StackId[] {
  const ids = new Set<number>();
  for (const { stackId } of model.resources?.totals ?? []) ids.add(stackId);
  return [...ids] as StackId[];
}

/** Addons with findings first, then by what is outstanding. */
export function collectNapi(
  model: TraceModel,
  symbols: SymbolizedStacks,
  groups: StackGroups,
): NapiAddon[] {
  const { resources } = model;
  if (resources === undefined) return [];
  const outstanding = new Map<string, number>();
  const { outstanding: table } = resources;
  for (let row = 0; row < table.count; row++) {
    const className = table.classNames[table.classIndex[row]];
    const key = totalsKey(table.kind[row], table.stackId[row], className);
    outstanding.set(key, (outstanding.get(key) ?? 0) + 1);
  }
  const addons = new Map<string, Map<string, ResourceSite>>();
  const owners = new Map<string, Owner>();
  for (const one of resources.totals) {
    const stack = symbols.stack(one.stackId);
    owners.set(stack.owner.key, stack.owner);
    let sites = addons.get(stack.owner.key);
    if (sites === undefined) addons.set(stack.owner.key, (sites = new Map()));
    const shape = groups.keyOf(stack);
    const key = `${one.kind}\0${one.className}\0${shape}`;
    let site = sites.get(key);
    if (site === undefined) {
      const { kind, className } = one;
      site = { kind, className, stack: groups.shown(shape, stack), ...noCounts() };
      sites.set(key, site);
    }
    addCounts(site, {
      ...one,
      outstandingCount: outstanding.get(totalsKey(one.kind, one.stackId, one.className)) ?? 0,
    });
  }
  const holds = heldBytes(model, symbols);
  return [...addons]
    .map(([key, sites]): NapiAddon => {
      const list = [...sites.values()].sort(worstFirst);
      const owner = owners.get(key) as Owner;
      const holdsBytes = isUsers(owner) ? (holds.get(key) ?? 0) : 0;
      const kinds = byKind(list);
      const tellsBytes = toldBytes(kinds);
      return {
        owner,
        holdsBytes,
        tellsBytes,
        findings: findingsOf(kinds, list, holdsBytes, tellsBytes),
        kinds,
        sites: list,
      };
    })
    .sort(
      (a, b) =>
        b.findings.length - a.findings.length ||
        b.holdsBytes - a.holdsBytes ||
        (a.owner.key < b.owner.key ? -1 : 1),
    );
}

const totalsKey = (kind: number, stackId: number, className: string): string =>
  `${kind} ${stackId} ${className}`;

function noCounts(): ResourceCounts {
  return {
    createdCount: 0,
    unwatchedCount: 0,
    releasedCount: 0,
    finalizedCount: 0,
    tornDownCount: 0,
    outstandingCount: 0,
    outstandingValue: 0,
  };
}

function addCounts(
  into: ResourceCounts,
  more: ResourceCounts | (ResourceTotals & { outstandingCount: number }),
): void {
  into.createdCount += more.createdCount;
  into.unwatchedCount += more.unwatchedCount;
  into.releasedCount += more.releasedCount;
  into.finalizedCount += more.finalizedCount;
  into.tornDownCount += more.tornDownCount;
  into.outstandingCount += more.outstandingCount;
  into.outstandingValue += more.outstandingValue;
}

function worstFirst(a: ResourceSite, b: ResourceSite): number {
  return (
    b.outstandingCount - a.outstandingCount ||
    b.createdCount - a.createdCount ||
    a.kind - b.kind ||
    (a.stack.key < b.stack.key ? -1 : 1)
  );
}

function byKind(sites: readonly ResourceSite[]): NapiAddon['kinds'] {
  const kinds = new Map<number, { kind: number } & ResourceCounts>();
  for (const site of sites) {
    let sum = kinds.get(site.kind);
    if (sum === undefined) kinds.set(site.kind, (sum = { kind: site.kind, ...noCounts() }));
    addCounts(sum, site);
  }
  return [...kinds.values()].sort((a, b) => a.kind - b.kind);
}

function toldBytes(kinds: NapiAddon['kinds']): number {
  const tells: number[] = [
    ResourceKind.externalMemory,
    ResourceKind.externalBuffer,
    ResourceKind.externalArraybuffer,
  ];
  return kinds
    .filter(({ kind }) => tells.includes(kind))
    .reduce((sum, one) => sum + one.outstandingValue, 0);
}

/** Live native memory by owner, at the moment that the ledger is about. */
function heldBytes(model: TraceModel, symbols: SymbolizedStacks): Map<string, number> {
  const { live } = model.beforeTeardown ?? model.atEnd;
  const byOwner = new Map<string, number>();
  for (let row = 0; row < live.count; row++) {
    const { key } = symbols.owner(live.stackId[row] as StackId);
    byOwner.set(key, (byOwner.get(key) ?? 0) + live.sizeBytes[row]);
  }
  return byOwner;
}

function findingsOf(
  kinds: NapiAddon['kinds'],
  sites: readonly ResourceSite[],
  holdsBytes: number,
  tellsBytes: number,
): Finding[] {
  const of = (kind: number) => kinds.find((one) => one.kind === kind) ?? { kind, ...noCounts() };
  const found: Finding[] = [...forgottenReferences(sites), ...strongReferences(sites)];
  const tied =
    of(ResourceKind.wrap).outstandingCount +
    of(ResourceKind.external).outstandingCount +
    of(ResourceKind.persistent).outstandingCount;
  if (tied > 0 && holdsBytes >= littleMemory && tellsBytes < holdsBytes * toldShare)
    found.push({
      kind: 'untold-memory',
      count: tied,
      text: `tells V8 ${formatBytes(Math.max(0, tellsBytes))}, holds ${formatBytes(holdsBytes)}: the collector has no reason to run`,
    });
  const left = (
    kind: FindingKind,
    resource: number,
    [one, many]: readonly [string, string],
    what: string,
    few = 0,
  ) => {
    const { outstandingCount: count, createdCount } = of(resource);
    if (count <= few) return;
    const text = `${formatCount(count)} of ${formatCount(createdCount)} ${createdCount === 1 ? one : many} ${what}`;
    found.push({ kind, count, text });
  };
  const scopes = of(ResourceKind.handleScope).outstandingCount;
  if (scopes > 0)
    found.push({
      kind: 'handle-scope-open',
      count: scopes,
      text: `${formatCount(scopes)} handle ${scopes === 1 ? 'scope' : 'scopes'} left open: the objects in ${scopes === 1 ? 'it' : 'them'} cannot be collected`,
    });
  left(
    'async-work-not-deleted',
    ResourceKind.asyncWork,
    ['async work', 'async works'],
    'never deleted',
  );
  left(
    'threadsafe-function-not-released',
    ResourceKind.threadsafeFunction,
    ['thread-safe function', 'thread-safe functions'],
    'never released',
    oneForGood,
  );
  left('deferred-not-settled', ResourceKind.deferred, ['promise', 'promises'], 'never settled');
  left(
    'async-context-not-destroyed',
    ResourceKind.asyncContext,
    ['async context', 'async contexts'],
    'never destroyed',
    oneForGood,
  );
  return found;
}

/** The reference that napi_wrap gives outlives the object: the addon has to delete it. */
function forgottenReferences(sites: readonly ResourceSite[]): Finding[] {
  let [wraps, released, forgotten] = [0, 0, 0];
  for (const wrap of sites) {
    if (wrap.kind !== ResourceKind.wrap) continue;
    const references = sites.find(
      (one) =>
        one.kind === ResourceKind.reference &&
        one.className === wrap.className &&
        one.stack.key === wrap.stack.key,
    );
    if (references === undefined) continue;
    const alive = wrap.unwatchedCount > 0 ? 0 : wrap.outstandingCount;
    if (references.outstandingCount <= alive) continue;
    wraps += wrap.createdCount;
    released += references.releasedCount;
    forgotten += references.outstandingCount - alive;
  }
  if (forgotten === 0) return [];
  const why =
    released === 0
      ? "napi_wrap's reference is never removed"
      : `${formatCount(forgotten)} of napi_wrap's references outlive their object`;
  return [
    {
      kind: 'reference-outlives-wrap',
      count: forgotten,
      text: `${formatCount(wraps)} ${wraps === 1 ? 'wrap' : 'wraps'}, ${formatCount(released)} references deleted: ${why}`,
    },
  ];
}

function strongReferences(sites: readonly ResourceSite[]): Finding[] {
  let count = 0;
  for (const site of sites) {
    // Without a class it is a string or a symbol.
    const isReference =
      (site.kind === ResourceKind.reference || site.kind === ResourceKind.persistent) &&
      site.className !== '';
    // Every outstanding one holds at least once where the sum says so.
    const strong = Math.min(site.outstandingValue, site.outstandingCount);
    if (isReference && strong >= fewReferences) count += strong;
  }
  if (count === 0) return [];
  const text = `${formatCount(count)} strong references held: their objects cannot be collected`;
  return [{ kind: 'strong-references', count, text }];
}
