// The page of a report: reads its data, then draws.
import { render } from 'preact';
import { liveElementId } from '../html/live-marks.js';
import { App } from './app.js';
import { LivePage } from './live/live-page.js';
import { loadReport, NotReadable } from './load.js';
import { startTheme } from './theme.js';
import './style/index.css';

async function start(): Promise<void> {
  const place = document.getElementById('app') as HTMLElement;
  startTheme();
  try {
    const live = document.getElementById(liveElementId);
    if (live !== null) {
      place.replaceChildren();
      render(<LivePage build={live.dataset['build'] ?? ''} />, place);
      return;
    }
    const data = await loadReport();
    document.title = `${data.head.traceName}: memprof`;
    place.replaceChildren();
    render(<App data={data} />, place);
    performance.mark('memprof-ready');
  } catch (error) {
    const message =
      error instanceof NotReadable
        ? error.message
        : `The report cannot be shown: ${error instanceof Error ? error.message : String(error)}`;
    place.replaceChildren();
    render(
      <p class="loading" role="alert">
        {message}
      </p>,
      place,
    );
  }
}

void start();
