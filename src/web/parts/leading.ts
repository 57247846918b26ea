// The frame of a stack that a person looks at first, in one line.
import type { PageData } from '../../html/page-data.js';
import { FrameLook } from '../../html/report-data.js';

const servesItsCaller = /^lib(?:c|stdc\+\+|m|gcc_s|pthread)[.-]/;

/** Of the owning package where one is named, else the first that is neither Node's nor a library serving its caller. */
export function leadingFrame(data: PageData, leaf: number, owner = -1): number {
  let [first, own, runtime] = [0, 0, 0];
  for (let node = leaf; node > 0; node = data.nodes.parent[node]!) {
    const frame = data.nodes.frame[node]!;
    if (first === 0) first = frame;
    const kind = data.frames.kind[frame]!;
    const from = data.frames.package[frame]!;
    if (kind === FrameLook.node && runtime === 0) runtime = frame;
    if (kind !== FrameLook.native && kind !== FrameLook.js) continue;
    if (from === owner && kind === FrameLook.native) return frame;
    if (own === 0 && !servesItsCaller.test(data.head.packages[from]?.label ?? '')) own = frame;
  }
  return (data.head.runtimePackages.includes(owner) ? runtime : 0) || own || runtime || first;
}

/** The first caller of the leading frame that is somebody's own code; 0: there is none. */
export function callerOf(data: PageData, leaf: number, leading: number): number {
  let isAbove = false;
  for (let node = leaf; node > 0; node = data.nodes.parent[node]!) {
    const frame = data.nodes.frame[node]!;
    const kind = data.frames.kind[frame]!;
    if (isAbove && frame !== leading && (kind === FrameLook.native || kind === FrameLook.js))
      return frame;
    isAbove ||= frame === leading;
  }
  return 0;
}

export function leadingOf(data: PageData, leaf: number): string {
  const frame = leadingFrame(data, leaf);
  const { strings } = data.head;
  return `${strings[data.frames.name[frame]!]} ${strings[data.frames.place[frame]!]}`.trim();
}
