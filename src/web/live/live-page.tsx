// The report of a program that runs: data come while the page is looked at.
import { useCallback, useEffect, useMemo, useRef, useState } from 'preact/hooks';
import type { PageData } from '../../html/page-data.js';
import { App } from '../app.js';
import { timeText } from '../format.js';
import { Asker, type LiveStatus } from './asker.js';
import { LiveBar } from './live-bar.js';
import { comparedWith, type LiveMark, markOf } from './same-program.js';
import './live.css';

interface Fed {
  data: PageData;
  /** Between the last two looks; null: there was one. */
  bytesPerSecond: number | null;
}

export function LivePage({ build }: { build: string }) {
  const [fed, setFed] = useState<Fed | null>(null);
  const [status, setStatus] = useState<LiveStatus>({ kind: 'running' });
  const [mark, setMark] = useState<LiveMark | null>(null);
  const asker = useRef<Asker | null>(null);
  useEffect(() => {
    const made = new Asker({
      build,
      onData: (data) => setFed((last) => ({ data, bytesPerSecond: rateBetween(last, data) })),
      onStatus: setStatus,
    });
    asker.current = made;
    return () => made.close();
  }, [build]);
  const onPause = useCallback(
    () => asker.current?.setPaused(status.kind !== 'paused'),
    [status.kind],
  );
  const onMark = useCallback(() => {
    if (fed !== null && status.kind !== 'ended') setMark(markOf(fed.data));
  }, [fed, status.kind]);
  useKeys({ p: onPause, m: onMark });
  const data = useMemo(() => {
    if (fed === null || mark === null) return fed?.data ?? null;
    return comparedWith(fed.data, mark, `at ${timeText(mark.atNs, fed.data.head)}`);
  }, [fed, mark]);
  useEffect(() => {
    if (data === null) return;
    const sign = status.kind === 'running' ? '● ' : '';
    document.title = `${sign}${data.head.traceName}: memprof`;
    performance.mark('memprof-fed');
  }, [data, status.kind]);
  if (fed === null || data === null)
    return (
      <p class="loading" role={status.kind === 'running' ? 'status' : 'alert'}>
        {waitingText(status)}
      </p>
    );
  return (
    <App
      data={data}
      bar={
        <LiveBar
          data={data}
          status={status}
          mark={mark}
          bytesPerSecond={fed.bytesPerSecond}
          onPause={onPause}
          onMark={onMark}
          onUnmark={() => setMark(null)}
        />
      }
    />
  );
}

function rateBetween(last: Fed | null, { head }: PageData): number | null {
  if (last === null) return null;
  const before = last.data.head;
  const seconds = (head.durationNs - before.durationNs) / 1e9;
  const bytes = head.totals.allocatedBytes - before.totals.allocatedBytes;
  return seconds > 0 && bytes >= 0 ? bytes / seconds : null;
}

function waitingText(status: LiveStatus): string {
  switch (status.kind) {
    case 'gone':
      return 'Nobody answers: the program has ended, or memprof has. memprof report makes the report of its trace.';
    case 'crowded':
    case 'refused':
      return status.text;
    case 'paused':
      return 'Paused before there were any data. Press p to go on.';
    default:
      return 'Waiting for the first data…';
  }
}

/** Not while somebody types. */
function useKeys(actions: Record<string, () => void>): void {
  const current = useRef(actions);
  current.current = actions;
  useEffect(() => {
    const press = (event: KeyboardEvent) => {
      const { target } = event;
      const isTyped =
        target instanceof HTMLElement && /^(?:INPUT|SELECT|TEXTAREA)$/.test(target.tagName);
      const isRadio = target instanceof HTMLInputElement && target.type !== 'search';
      if ((isTyped && !isRadio) || event.ctrlKey || event.metaKey || event.altKey) return;
      const action = current.current[event.key];
      if (action === undefined) return;
      event.preventDefault();
      action();
    };
    addEventListener('keydown', press);
    return () => removeEventListener('keydown', press);
  }, []);
}
