// SARIF 2.1.0: findings for code scanning. Pure.
import { posix } from 'node:path';
import type { CheckFinding, FindingFrame } from '../checks/index.js';
import { escapeText } from '../report/index.js';
import { type CiContext, inOrder, textLines } from './context.js';
import { fileUri, placeOf, shownPlace, uriPath } from './places.js';
import { ruleOrder, ruleWords } from './rules.js';

/** GitHub's name for the checkout's root. */
const rootId = '%SRCROOT%';

/** The whole log as JSON text. */
export function sarifLog(findings: readonly CheckFinding[], context: CiContext): string {
  const log = {
    $schema: 'https://json.schemastore.org/sarif-2.1.0.json',
    version: '2.1.0',
    runs: [
      {
        tool: { driver: driver(context) },
        columnKind: 'utf16CodeUnits',
        originalUriBaseIds: { [rootId]: { uri: rootUri(context.root) } },
        invocations: [invocation(context)],
        results: inOrder(findings).map((one) => result(one, context)),
      },
    ],
  };
  return `${JSON.stringify(log, null, 2)}\n`;
}

/** Without "." and "..": who joins a path with it takes those away. */
function rootUri(root: string): string {
  return `${fileUri(posix.normalize(root).replace(/\/+$/, ''))}/`;
}

function driver({ toolVersion }: CiContext) {
  return {
    name: 'memprof',
    version: escapeText(toolVersion),
    rules: ruleOrder.map((id) => {
      const { short, description, help } = ruleWords[id];
      return {
        id,
        name: short.replace(/(?:^|\s)(\w)/g, (_all, letter: string) => letter.toUpperCase()),
        shortDescription: { text: `Native memory: ${short}` },
        fullDescription: { text: description },
        help: { text: help },
        defaultConfiguration: { level: 'error' },
        properties: { tags: ['memory', 'leak'] },
      };
    }),
  };
}

function invocation({ command, endedStatus, unjudged }: CiContext) {
  return {
    commandLine: escapeText(command),
    ...(endedStatus === null ? {} : { exitCode: endedStatus }),
    // A command that failed has not done all that it was to be judged by.
    executionSuccessful: endedStatus === 0,
    toolExecutionNotifications: unjudged.map((sentence) => ({
      level: 'warning',
      message: message(sentence),
    })),
  };
}

function result(finding: CheckFinding, context: CiContext) {
  const { rule, level, packageName, suppressedBy, perIteration } = finding;
  const flow = codeFlow(finding.stack, context);
  return {
    ruleId: rule,
    ruleIndex: ruleOrder.indexOf(rule),
    level,
    message: message(textLines(finding).join('\n')),
    locations: locations(finding, context),
    partialFingerprints: { 'memprof/v1': escapeText(finding.fingerprint) },
    ...(finding.stack.length === 0
      ? {}
      : {
          stacks: [
            {
              message: { text: 'Where the memory was allocated, innermost call first.' },
              frames: finding.stack.map((frame) => stackFrame(frame, context)),
            },
          ],
        }),
    ...(flow === null ? {} : { codeFlows: [flow] }),
    // An empty list says that somebody looked and none applies.
    suppressions:
      suppressedBy === null
        ? []
        : [{ kind: 'external', status: 'accepted', justification: escapeText(suppressedBy) }],
    properties: {
      package: escapeText(packageName),
      blockCount: finding.blockCount,
      sizeBytes: finding.sizeBytes,
      ...(perIteration === null
        ? {}
        : { blocksPerIteration: perIteration.blocks, bytesPerIteration: perIteration.bytes }),
    },
  };
}

/**
 * Code scanning refuses a file with a result that has no physical location: what has no line is put
 * to the project's file as a whole, where the caller names one.
 */
function locations(finding: CheckFinding, context: CiContext) {
  const { stack, packageName } = finding;
  const place = shownPlace(finding, context.root);
  const physicalLocation =
    (place === null ? null : physical(place.file, place.line, place.column, context)) ??
    (context.projectFile === undefined
      ? null
      : { artifactLocation: { uri: uriPath(context.projectFile), uriBaseId: rootId } });
  const frame = stack.find(
    (one) => place !== null && one.file === place.file && one.line === place.line,
  );
  const names = [
    ...(packageName === '' ? [] : [{ name: escapeText(packageName), kind: 'package' }]),
    ...(frame === undefined
      ? []
      : [{ fullyQualifiedName: escapeText(frame.name), kind: 'function' }]),
  ];
  const location = {
    ...(physicalLocation === null ? {} : { physicalLocation }),
    ...(names.length === 0 ? {} : { logicalLocations: names }),
  };
  return Object.keys(location).length === 0 ? [] : [location];
}

function physical(file: string, line: number | null, column: number | null, context: CiContext) {
  const place = placeOf(file, context.root);
  if (place.kind === 'none') return null;
  const artifactLocation =
    place.kind === 'inside'
      ? { uri: uriPath(place.path), uriBaseId: rootId }
      : { uri: fileUri(place.path) };
  // SARIF counts from 1; 0 is how debug information says that it does not know.
  if (line === null || line < 1) return { artifactLocation };
  return {
    artifactLocation,
    region: { startLine: line, ...(column === null || column < 1 ? {} : { startColumn: column }) },
  };
}

function frameLocation(frame: FindingFrame, context: CiContext) {
  const physicalLocation =
    frame.file === null ? null : physical(frame.file, frame.line, frame.column, context);
  return {
    ...(physicalLocation === null ? {} : { physicalLocation }),
    ...(frame.kind === 'marker'
      ? {}
      : { logicalLocations: [{ fullyQualifiedName: escapeText(frame.name), kind: 'function' }] }),
    message: message(frame.name),
  };
}

function stackFrame(frame: FindingFrame, context: CiContext) {
  return {
    location: frameLocation(frame, context),
    ...(frame.module === null ? {} : { module: escapeText(frame.module) }),
  };
}

/** The way to the allocation, through the places that can be opened. null: there are none. */
function codeFlow(stack: readonly FindingFrame[], context: CiContext) {
  const places = stack
    .filter((frame) => frame.file !== null && placeOf(frame.file, context.root).kind !== 'none')
    .reverse();
  if (places.length === 0) return null;
  return {
    threadFlows: [
      { locations: places.map((frame) => ({ location: frameLocation(frame, context) })) },
    ],
  };
}

function message(text: string) {
  return { text: withoutLinks(text.split('\n').map(escapeText).join('\n')) };
}

/**
 * "[text](1)" and "[text](https:...)" are links in SARIF's plain text. A name of the program is none;
 * operator[](std::string) is left as it is.
 */
function withoutLinks(text: string): string {
  return text.replace(/\](?=\((?:\d+\)|[a-z][a-z0-9+.-]*:(?!:)))/gi, '\\]');
}
