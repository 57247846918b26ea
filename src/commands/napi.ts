// memprof napi: what addons got from Node-API and V8, gave back, and still hold.

import {
  addonJson,
  type FilterOptions,
  jsonLines,
  momentText,
  processJson,
  resourceSiteJson,
  stackFilter,
} from '../query/index.js';
import {
  alikeStacks,
  type Column,
  collectNapi,
  everyStack,
  formatBytes,
  formatCount,
  frameText,
  isUsers,
  liveStackIds,
  type NapiAddon,
  ownerText,
  type ResourceCounts,
  type ResourceSite,
  renderTable,
  resourceName,
  resourceStackIds,
  resourceValueText,
  type StackContext,
  shortPlaceOf,
  siteFrame,
  stackLines,
} from '../report/index.js';
import { stackContext, type TraceCommand } from './context.js';

export interface NapiOptions extends Pick<FilterOptions, 'package' | 'module' | 'function'> {
  limit: number;
  stacks?: boolean;
  json?: boolean;
}

export async function* napi(command: TraceCommand, options: NapiOptions): AsyncGenerator<string> {
  const { model } = command;
  const ids = [...new Set([...resourceStackIds(model), ...liveStackIds(model)])];
  const symbols = await command.nameStacks(model, ids);
  const passes = stackFilter(options) ?? (() => true);
  const kept = (addons: readonly NapiAddon[]): NapiAddon[] =>
    addons
      .map((addon) => ({ ...addon, sites: addon.sites.filter((site) => passes(site.stack)) }))
      .filter((addon) => addon.sites.length > 0);
  const moment = model.beforeTeardown ?? model.atEnd;
  if (options.json === true) {
    const addons = kept(collectNapi(model, symbols, everyStack));
    yield* jsonLines(
      { schema: 'memprof.napi/1', process: processJson(model), moment: moment.name },
      {
        addons: addons.map(addonJson),
        sites: addons.flatMap((addon) => addon.sites.map(resourceSiteJson)),
      },
    );
    return;
  }
  const alike = alikeStacks(
    resourceStackIds(model).map((id) => symbols.stack(id)),
    stackContext(model),
  );
  const addons = kept(
    collectNapi(model, symbols, {
      keyOf: (stack) => String(alike.keyOf(stack)),
      shown: (key) => alike.shown(Number(key)),
    }),
  );
  if (addons.length === 0) {
    yield model.resources === undefined
      ? 'No addon called Node-API or V8 for anything that has to be given back.'
      : 'Nothing that passes the filters.';
    return;
  }
  yield command.style.heading(
    `Node-API and V8 resources of ${formatCount(addons.length)} ${addons.length === 1 ? 'addon' : 'addons'}, ${momentText(moment, model)}`,
  );
  for (const addon of addons) yield* addonLines(addon, command, options);
}

function* addonLines(
  addon: NapiAddon,
  command: TraceCommand,
  options: NapiOptions,
): Iterable<string> {
  const { style, columns, model } = command;
  yield '';
  const tells = `tells V8 ${formatBytes(Math.max(0, addon.tellsBytes))}`;
  yield isUsers(addon.owner)
    ? `${style.strong(ownerText(addon.owner))}  holds ${formatBytes(addon.holdsBytes)}, ${tells}`
    : `${style.strong('an addon whose frame had left the stack')} (its last act was the call)  ${tells}`;
  for (const finding of addon.findings) yield `  ${style.warning('!')} ${finding.text}`;
  yield* renderTable(
    [{ title: 'resource', align: 'left' }, ...countColumns],
    addon.kinds.map((one) => [resourceName(one.kind), ...countCells(one.kind, one)]),
    { columns, indent: 2, heading: style.faint },
  );
  const context = stackContext(model);
  const outstanding = addon.sites.filter((site) => site.outstandingCount > 0);
  const shown = outstanding.slice(0, options.limit);
  if (shown.length === 0) return;
  yield '';
  const table = renderTable(
    [
      { title: 'outstanding', align: 'right' },
      { title: 'resource', align: 'left' },
      { title: 'class', align: 'left' },
      { title: 'where', align: 'left', flexible: true },
    ],
    shown.map((site) => [
      formatCount(site.outstandingCount),
      resourceName(site.kind),
      site.className === '' ? '-' : site.className,
      whereText(site, context),
    ]),
    { columns, indent: 2, heading: style.faint },
  );
  yield table[0];
  for (const [at, site] of shown.entries()) {
    yield table[at + 1];
    if (options.stacks === true)
      yield* stackLines(site.stack, context, { columns, indent: 6, style });
  }
  if (outstanding.length > shown.length)
    yield style.faint(`  ${formatCount(outstanding.length - shown.length)} more: --limit all`);
  if (options.stacks !== true) yield style.faint('  With whole stacks: --stacks');
}

const countColumns: Column[] = ['created', 'released', 'finalized', 'outstanding', 'value'].map(
  (title) => ({ title, align: 'right' }),
);

function countCells(kind: number, counts: ResourceCounts): string[] {
  const { createdCount, releasedCount, finalizedCount, outstandingCount } = counts;
  return [
    ...[createdCount, releasedCount, finalizedCount, outstandingCount].map(formatCount),
    resourceValueText(kind, counts.outstandingValue),
  ];
}

function whereText({ stack }: ResourceSite, context: StackContext): string {
  const frame = siteFrame(stack, context);
  return frame === null
    ? '[empty stack]'
    : `${frameText(frame, 48)} ${shortPlaceOf(frame, context)}`.trimEnd();
}
