// The frame around the views: who was traced, which view, which selection.
import type { ComponentChildren } from 'preact';
import { useCallback, useEffect, useMemo, useState } from 'preact/hooks';
import type { PageData } from '../html/page-data.js';
import { sumBefore, sumByGroup, sumBySite } from '../html/selection.js';
import { carryState } from './live/same-program.js';
import { SelectionBar } from './parts/selection-bar.js';
import {
  type Change,
  canCompare,
  hashOfState,
  type Report,
  ReportProvider,
  type State,
  stateOfHash,
  views,
} from './state.js';
import { chooseTheme, currentTheme, type Theme } from './theme.js';
import { FlameView } from './views/flame.js';
import { MemoryView } from './views/memory.js';
import { NapiView } from './views/napi.js';
import { OverviewView } from './views/overview.js';
import { OwnersView } from './views/owners.js';
import { SitesView } from './views/sites.js';
import { TimelineView } from './views/timeline.js';

const viewOf = {
  overview: OverviewView,
  timeline: TimelineView,
  flame: FlameView,
  sites: SitesView,
  owners: OwnersView,
  memory: MemoryView,
  napi: NapiView,
} as const;

/** `bar`: of a page that is fed, whose data are newer ones now and then. */
export function App({ data, bar }: { data: PageData; bar?: ComponentChildren }) {
  const [held, setHeld] = useState(() => ({ data, state: stateOfHash(data, location.hash) }));
  const state = useMemo(() => stateFor(held, data), [held, data]);
  const [theme, setTheme] = useState<Theme>(currentTheme);
  useEffect(() => {
    const follow = () => setHeld({ data, state: stateOfHash(data, location.hash) });
    addEventListener('hashchange', follow);
    const system = matchMedia('(prefers-color-scheme: dark)');
    const followSystem = () => setTheme(currentTheme());
    system.addEventListener('change', followSystem);
    return () => {
      removeEventListener('hashchange', follow);
      system.removeEventListener('change', followSystem);
    };
  }, [data]);
  const change = useCallback(
    (more: Change) =>
      setHeld((last) => {
        const before = stateFor(last, data);
        const after = { ...before, ...more };
        const hash = hashOfState(data, after);
        // Another view is a step that "back" undoes; a selection is not.
        if (before.view !== after.view) history.pushState(null, '', hash);
        else history.replaceState(null, '', hash);
        return { data, state: after };
      }),
    [data],
  );
  const { from, to, thread, measure } = state;
  const bySite = useMemo(
    () => sumBySite(data, { from, to, thread, measure, package: state.package }),
    [data, from, to, thread, measure, state.package],
  );
  const byGroup = useMemo(() => sumByGroup(data, bySite), [data, bySite]);
  const isCompared = canCompare(data, state);
  const before = useMemo(() => {
    if (!isCompared) return null;
    const sums = sumBefore(data, state.package);
    return { bySite: sums, byGroup: sumByGroup(data, sums) };
  }, [data, isCompared, state.package]);
  const report: Report = { data, state, bySite, byGroup, before, change, theme };
  const View = viewOf[state.view];
  const toggle = () => {
    const next = theme === 'dark' ? 'light' : 'dark';
    chooseTheme(next);
    setTheme(next);
  };
  return (
    <ReportProvider value={report}>
      <a class="skip" href="#content" onClick={skipToContent}>
        Skip to the content
      </a>
      <header class="top">
        <div class="brand">
          <span class="logo">memprof</span>
          <span class="command" title={data.head.command}>
            {data.head.command}
          </span>
        </div>
        <button
          type="button"
          class="quiet theme"
          onClick={toggle}
          aria-label={theme === 'dark' ? 'Use light colours' : 'Use dark colours'}
        >
          {theme === 'dark' ? 'Light' : 'Dark'}
        </button>
        <nav class="tabs" aria-label="Views">
          {views.map(({ name, title }) => (
            <a
              key={name}
              href={hashOfState(data, { ...state, view: name })}
              aria-current={state.view === name ? 'page' : undefined}
              onClick={(event) => {
                if (event.metaKey || event.ctrlKey || event.shiftKey) return;
                event.preventDefault();
                change({ view: name });
              }}
            >
              {title}
            </a>
          ))}
        </nav>
      </header>
      {bar}
      <SelectionBar />
      <main id="content" tabIndex={-1}>
        <View />
      </main>
      <footer class="foot">
        memprof {data.head.memprofVersion}, from {data.head.traceName}.{' '}
        {bar === undefined
          ? 'All of this report is in this file.'
          : `memprof report ${data.head.traceName} makes a file of this page.`}
      </footer>
    </ReportProvider>
  );
}

/** What was chosen when the page had other data. */
function stateFor(held: { data: PageData; state: State }, data: PageData): State {
  return held.data === data ? held.state : carryState(held.data, held.state, data);
}

function skipToContent(event: Event): void {
  event.preventDefault();
  document.getElementById('content')?.focus();
}
