// What a page that is fed shows above everything else: how the program does, whether the page follows it, pause and mark.
import type { PageData } from '../../html/page-data.js';
import { changeText, formatBytes, formatCount, formatPercent, timeText } from '../format.js';
import type { LiveStatus } from './asker.js';
import type { LiveMark } from './same-program.js';

export interface LiveBarProps {
  data: PageData;
  status: LiveStatus;
  mark: LiveMark | null;
  bytesPerSecond: number | null;
  onPause(): void;
  onMark(): void;
  onUnmark(): void;
}

const names = {
  running: 'Live',
  crowded: 'Waiting',
  paused: 'Paused',
  ended: 'Ended',
  gone: 'Cut off',
  refused: 'Cut off',
} as const;

export function LiveBar(props: LiveBarProps) {
  const { data, status, mark, bytesPerSecond } = props;
  const { head } = data;
  const { totals } = head;
  const isFollowing = status.kind === 'running' || status.kind === 'crowded';
  const markedBytes = [...(mark?.byStack.values() ?? [])].reduce((sum, one) => sum + one.bytes, 0);
  return (
    <section class="live-bar" aria-label="Live view">
      <p class={`live-state ${status.kind}`} role="status">
        {names[status.kind]}
      </p>
      <dl>
        <Fact name="live" value={formatBytes(totals.liveBytes)} />
        <Fact name="blocks" value={formatCount(totals.liveCount)} />
        {mark !== null && (
          <Fact
            name={`since ${timeText(mark.atNs, head)}`}
            value={changeText(totals.liveBytes - markedBytes)}
          />
        )}
        <Fact name="peak" value={formatBytes(totals.peakBytes)} />
        <Fact
          name="allocated"
          value={
            isFollowing && bytesPerSecond !== null
              ? `${formatBytes(Math.round(bytesPerSecond))}/s`
              : formatBytes(totals.allocatedBytes)
          }
        />
        <Fact name="calls" value={formatCount(totals.allocationCount)} />
        <Fact
          name={status.kind === 'ended' ? 'in all' : 'so far'}
          value={timeText(head.durationNs, head)}
        />
      </dl>
      <div class="live-buttons">
        {(isFollowing || status.kind === 'paused') && (
          <button type="button" class="quiet" aria-keyshortcuts="p" onClick={props.onPause}>
            {status.kind === 'paused' ? 'Go on' : 'Pause'} <kbd>p</kbd>
          </button>
        )}
        {status.kind !== 'ended' && (
          <button
            type="button"
            class="quiet"
            aria-keyshortcuts="m"
            title="Count growth from this moment on. The trace gets no mark."
            onClick={props.onMark}
          >
            Mark <kbd>m</kbd>
          </button>
        )}
        {mark !== null && (
          <button type="button" class="quiet" onClick={props.onUnmark}>
            Unmark
          </button>
        )}
      </div>
      <Note {...props} />
    </section>
  );
}

function Fact({ name, value }: { name: string; value: string }) {
  return (
    <div>
      <dd>{value}</dd>
      <dt>{name}</dt>
    </div>
  );
}

function Note({ data, status }: LiveBarProps) {
  const { live, traceName } = data.head;
  const text = noteOf(status, traceName);
  const notes = text === null ? [] : [text];
  if (live?.isRunning === true && live.readShare < 1)
    notes.push(
      `${formatPercent(live.readShare, 1)} of what was recorded so far has been read; the rest follows.`,
    );
  if (live?.isRunning === true && !live.areNamed)
    notes.push('Names of native functions are being looked up.');
  return notes.length === 0 ? null : <p class="live-note">{notes.join(' ')}</p>;
}

function noteOf(status: LiveStatus, traceName: string): string | null {
  const keeps = `This page keeps what it has, until it is closed or reloaded; memprof report ${traceName} makes the whole report.`;
  switch (status.kind) {
    case 'ended':
      return `The program has ended, and this is its report, checkpoint and all. It is gone when the page is closed or reloaded; memprof report ${traceName} makes a file of it.`;
    case 'gone':
      return `Nobody answers any more: the program has ended, or memprof has. ${keeps}`;
    case 'refused':
      return `${status.text} ${keeps}`;
    case 'crowded':
      return status.text;
    default:
      return null;
  }
}
