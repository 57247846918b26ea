// Native memory by class of the JavaScript objects that hold it. Pure.
import type { Checkpoint } from '../model/index.js';

export interface ClassRow {
  className: string;
  objectCount: number;
  blockCount: number;
  /** Of native blocks, those behind others included. */
  sizeBytes: number;
  /** What JavaScript itself knows of (byteLength); null where the objects were not kept, or none says. */
  jsBytes: number | null;
}

/** Largest first. */
export function classRows(checkpoint: Checkpoint): ClassRow[] {
  const jsBytes = new Map<string, number>();
  const owners = checkpoint.detail?.owners;
  if (owners !== undefined) {
    for (let row = 0; row < owners.count; row++) {
      if (owners.sizeBytes[row] === 0) continue;
      const className = owners.classNames[owners.classIndex[row]] ?? '';
      jsBytes.set(className, (jsBytes.get(className) ?? 0) + owners.sizeBytes[row]);
    }
  }
  return checkpoint.classes
    .map((one) => ({ ...one, jsBytes: jsBytes.get(one.className) ?? null }))
    .sort(
      (a, b) =>
        b.sizeBytes - a.sizeBytes ||
        (b.jsBytes ?? 0) - (a.jsBytes ?? 0) ||
        b.objectCount - a.objectCount ||
        (a.className < b.className ? -1 : 1),
    );
}
