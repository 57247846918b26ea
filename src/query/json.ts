// The parts that the JSON outputs share; docs/schema/ describes them. Pure.
import type { Moment, ProcessAllocator, TraceModel } from '../model/index.js';
import {
  type Amount,
  type NapiAddon,
  type ResourceSite,
  resourceName,
  type Site,
} from '../report/index.js';
import type { NamedFrame, NamedStack } from '../symbols/index.js';
import { threadName } from './filters.js';

/** Whose malloc the program has; null: not known (a trace of an older memprof). */
export function allocatorJson({ process: { allocator } }: TraceModel): ProcessAllocator | null {
  return allocator ?? null;
}

export function processJson(model: TraceModel) {
  const { process } = model;
  return {
    pid: process.pid,
    ppid: process.ppid,
    argv: process.argv,
    executable: process.executable,
    cwd: process.cwd,
    nodeVersion: process.nodeVersion,
    startRealtimeMs: process.startRealtimeMs,
    durationNs: process.durationNs,
    ended: { how: process.ended.how, code: process.ended.code, signal: process.ended.signal },
  };
}

export function momentTotals(model: TraceModel) {
  const amount = (moment: Moment): Amount => {
    const { live } = moment;
    let sizeBytes = 0;
    for (let row = 0; row < live.count; row++) sizeBytes += live.sizeBytes[row];
    return { blockCount: live.count, sizeBytes };
  };
  return {
    beforeTeardown: model.beforeTeardown === null ? null : amount(model.beforeTeardown),
    atEnd: amount(model.atEnd),
  };
}

export function frameJson(frame: NamedFrame) {
  return {
    kind: frame.kind,
    function: frame.function,
    file: frame.file,
    line: frame.line,
    column: frame.column,
    ...(frame.lineIs == null ? {} : { lineIs: frame.lineIs }),
    ...(frame.generated === undefined ? {} : { generated: frame.generated }),
    module: frame.module,
    inlined: frame.inlined,
    near: frame.near,
    offset: frame.offset,
    ...(frame.recovered === true ? { recovered: true as const } : {}),
  };
}

/** Markers are not frames: each says before which frame of the list it stands. */
export function stackJson(stack: NamedStack) {
  const frames: ReturnType<typeof frameJson>[] = [];
  const markers: { at: number; marker: string; text: string }[] = [];
  for (const frame of stack.frames) {
    if (frame.kind === 'marker')
      markers.push({ at: frames.length, marker: frame.marker, text: frame.text });
    else frames.push(frameJson(frame));
  }
  return {
    package: stack.owner.package,
    owner: stack.owner.kind,
    module: stack.owner.module,
    frames,
    markers,
  };
}

export function siteJson(site: Site, model: TraceModel) {
  const threads = [...site.threads].map(([index, amount]) => {
    const thread = model.threads[index];
    return {
      name: thread === undefined ? 'unknown' : threadName(thread, model),
      tid: thread?.tid ?? null,
      ...amount,
    };
  });
  threads.sort((a, b) => b.sizeBytes - a.sizeBytes);
  const { package: owningPackage, owner, module, frames, markers } = stackJson(site.stack);
  return {
    sizeBytes: site.live.sizeBytes,
    blockCount: site.live.blockCount,
    package: owningPackage,
    owner,
    module,
    /** null: blocks of several threads. */
    thread: threads.length === 1 ? threads[0].name : null,
    threads,
    frames,
    markers,
  };
}

/** With the totals of the whole run. */
export function fullSiteJson(site: Site, model: TraceModel, moment: Moment) {
  return {
    ...siteJson(site, model),
    moment: moment.name,
    allocationCount: site.allocationCount,
    allocatedBytes: site.allocatedBytes,
    temporaryCount: site.temporaryCount,
    oldestAgeNs: Number.isNaN(site.oldestBornNs) ? null : moment.atNs - site.oldestBornNs,
  };
}

export function addonJson(addon: NapiAddon) {
  const { package: owningPackage, kind: owner, module } = addon.owner;
  return {
    package: owningPackage,
    owner,
    module,
    holdsBytes: addon.holdsBytes,
    tellsBytes: addon.tellsBytes,
    findings: addon.findings,
    resources: addon.kinds.map(({ kind, ...counts }) => ({ kind: resourceName(kind), ...counts })),
  };
}

export function resourceSiteJson(site: ResourceSite) {
  const { kind, stack, className, ...counts } = site;
  return {
    kind: resourceName(kind),
    className: className === '' ? null : className,
    ...counts,
    ...stackJson(stack),
  };
}

export function bySize(a: Site, b: Site): number {
  return (
    b.live.sizeBytes - a.live.sizeBytes ||
    b.live.blockCount - a.live.blockCount ||
    (a.stack.key < b.stack.key ? -1 : 1)
  );
}

/** Pretty, one array element a line where there are many: readable, greppable, and never one huge string. */
export function* jsonLines(
  head: Record<string, unknown>,
  lists: Record<string, Iterable<unknown>>,
): Iterable<string> {
  yield '{';
  const heads = Object.entries(head);
  const names = Object.keys(lists);
  for (const [at, [key, value]] of heads.entries()) {
    const comma = at < heads.length - 1 || names.length > 0 ? ',' : '';
    yield `  ${JSON.stringify(key)}: ${JSON.stringify(value)}${comma}`;
  }
  for (const [at, name] of names.entries()) {
    yield `  ${JSON.stringify(name)}: [`;
    let previous: string | null = null;
    for (const item of lists[name]) {
      if (previous !== null) yield `${previous},`;
      previous = `    ${JSON.stringify(item)}`;
    }
    if (previous !== null) yield previous;
    yield at < names.length - 1 ? '  ],' : '  ]';
  }
  yield '}';
}
