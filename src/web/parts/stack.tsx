// A stack, from the allocation outwards: runs of frames that carry calls for others are folded until asked for.
import { useState } from 'preact/hooks';
import type { PageData } from '../../html/page-data.js';
import { FrameLook } from '../../html/report-data.js';
import { SourceLines, sourceAt } from './source.js';

const runName: Readonly<Record<number, string>> = {
  [FrameLook.node]: 'Node’s internals',
  [FrameLook.builtin]: 'Node’s internals',
  [FrameLook.standard]: 'the standard library and node-addon-api',
};

interface Run {
  /** Frames, leaf first. */
  frames: number[];
  /** '' where they are not folded. */
  name: string;
}

export function framesOf(data: PageData, node: number): number[] {
  const frames: number[] = [];
  for (let at = node; at > 0; at = data.nodes.parent[at]!) frames.push(data.nodes.frame[at]!);
  return frames;
}

function runsOf(data: PageData, frames: readonly number[]): Run[] {
  const runs: Run[] = [];
  for (const frame of frames) {
    const name = runName[data.frames.kind[frame]!] ?? '';
    const last = runs.at(-1);
    if (name !== '' && last?.name === name) last.frames.push(frame);
    else runs.push({ frames: [frame], name });
  }
  return runs;
}

export function Stack({ data, node }: { data: PageData; node: number }) {
  const [isWhole, setWhole] = useState(false);
  const frames = framesOf(data, node);
  const runs = runsOf(data, frames);
  const canFold = runs.some((run) => run.name !== '' && run.frames.length > 1);
  if (frames.length === 0) return <p class="empty">There is no stack.</p>;
  return (
    <div class="stack">
      <ol>
        {runs.map((run, at) =>
          run.name !== '' && run.frames.length > 1 && !isWhole ? (
            <li key={at} class="folded">
              {run.frames.length} frames of {run.name}
            </li>
          ) : (
            run.frames.map((frame, within) => (
              <Frame
                key={`${at}.${within}`}
                data={data}
                frame={frame}
                isFirst={at + within === 0}
              />
            ))
          ),
        )}
      </ol>
      {canFold && (
        <button type="button" class="quiet" onClick={() => setWhole(!isWhole)}>
          {isWhole ? 'Fold what carries calls for others' : `All ${frames.length} frames`}
        </button>
      )}
    </div>
  );
}

const lookClass = ['native', 'js', 'node', 'builtin', 'standard', 'marker'];

function Frame({ data, frame, isFirst }: { data: PageData; frame: number; isFirst: boolean }) {
  const { strings } = data.head;
  const { frames } = data;
  const [isOpen, setOpen] = useState(isFirst);
  const source = sourceAt(data, frame);
  const name = strings[frames.name[frame]!]!;
  const full = strings[frames.full[frame]!]!;
  const place = strings[frames.place[frame]!]!;
  return (
    <li class={`frame ${lookClass[frames.kind[frame]!] ?? ''}`}>
      <div class="frame-line">
        {source === null ? (
          <span class="function" title={full}>
            {name}
          </span>
        ) : (
          <button
            type="button"
            class="function"
            title={full}
            aria-expanded={isOpen}
            onClick={() => setOpen(!isOpen)}
          >
            {name}
          </button>
        )}
        {place !== '' && (
          <span class="place" title={place}>
            {place}
          </span>
        )}
      </div>
      {source !== null && isOpen && <SourceLines source={source} line={frames.line[frame]!} />}
    </li>
  );
}
