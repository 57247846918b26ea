// Moments by name: start, end, before-teardown, #2 for a checkpoint, or the name of a mark. Pure.
import { ExitCode, MemprofError } from '../errors.js';
import type { Checkpoint, Moment, TraceModel } from '../model/index.js';
import { describeEnd } from '../report/index.js';

export interface MarkedMoment {
  /** For people: "checkpoint 2", "the mark 'warm'". */
  text: string;
  /** As given. */
  name: string;
  atNs: number;
  isStart: boolean;
  /** Where the trace holds it ready. */
  moment: Moment | null;
  checkpoint: Checkpoint | null;
  /** In the model's marks; null: none is there. */
  markIndex: number | null;
}

const none = { isStart: false, moment: null, checkpoint: null, markIndex: null };

export function markedMoment(model: TraceModel, name: string, tracePath: string): MarkedMoment {
  if (name === 'start') return { ...none, text: 'the start', name, atNs: 0, isStart: true };
  if (name === 'end' || name === 'at-end') {
    const moment = model.atEnd;
    return { ...none, text: 'the end', name: 'end', atNs: moment.atNs, moment };
  }
  if (name === 'before-teardown') return beforeTeardown(model, tracePath);
  const found = /^#\d+$/.test(name)
    ? checkpointNumbered(model, Number(name.slice(1)))
    : markNamed(model, name, tracePath);
  if (found !== null) return { ...found, name };
  throw new MemprofError(
    'ERR_MEMPROF_NO_MOMENT',
    `${tracePath} has no moment ${name}. It has ${momentNames(model).join(', ')}`,
    ExitCode.usage,
  );
}

/** What can be asked for, in order of time. */
export function momentNames(model: TraceModel): string[] {
  const numbers = (model.checkpoints ?? []).map((one) => `#${one.number}`);
  const names = new Set<string>();
  for (const { kind, text } of model.marks)
    if ((kind === 'user' || kind === 'checkpoint') && text !== '') names.add(text);
  return [
    'start',
    ...numbers,
    ...names,
    ...(model.beforeTeardown === null ? [] : ['before-teardown']),
    'end',
  ];
}

function beforeTeardown(model: TraceModel, tracePath: string): MarkedMoment {
  const moment = model.beforeTeardown;
  if (moment === null)
    throw new MemprofError(
      'ERR_MEMPROF_NO_MOMENT',
      `${tracePath} has no moment before teardown: the program ${describeEnd(model.process)}. Use end`,
    );
  const at = model.marks.findIndex((mark) => mark.kind === 'before-teardown');
  return {
    ...none,
    text: "before Node's teardown",
    name: 'before-teardown',
    atNs: moment.atNs,
    moment,
    markIndex: at < 0 ? null : at,
  };
}

type Found = Omit<MarkedMoment, 'name'>;

function checkpointNumbered(model: TraceModel, number: number): Found | null {
  const at = model.marks.findIndex((mark) => mark.kind === 'checkpoint' && mark.value === number);
  const checkpoint = (model.checkpoints ?? []).find((one) => one.number === number) ?? null;
  if (at < 0 && checkpoint === null) return null;
  return {
    ...none,
    text: `checkpoint ${number}`,
    atNs: checkpoint?.atNs ?? model.marks[at].atNs,
    checkpoint,
    markIndex: at < 0 ? null : at,
  };
}

/** "name", or "name#2" where several marks have it. */
function markNamed(model: TraceModel, name: string, tracePath: string): Found | null {
  const marks = model.marks
    .map((mark, at) => ({ mark, at }))
    .filter(({ mark }) => mark.kind === 'user' || mark.kind === 'checkpoint');
  const numbered = /^(.+)#([1-9]\d{0,8})$/s.exec(name);
  const same = marks.filter(({ mark }) => mark.text === name);
  if (same.length > 1)
    throw new MemprofError(
      'ERR_MEMPROF_AMBIGUOUS_MARK',
      `${tracePath} has ${same.length} marks named ${name}. Choose one of ${name}#1 to ${name}#${same.length}`,
      ExitCode.usage,
    );
  const found =
    same[0] ??
    (numbered === null
      ? undefined
      : marks.filter(({ mark }) => mark.text === numbered[1])[Number(numbered[2]) - 1]);
  if (found === undefined) return null;
  const { mark, at } = found;
  const checkpoint =
    mark.kind === 'checkpoint'
      ? ((model.checkpoints ?? []).find((one) => one.number === mark.value) ?? null)
      : null;
  return { ...none, text: `the mark '${name}'`, atNs: mark.atNs, checkpoint, markIndex: at };
}
