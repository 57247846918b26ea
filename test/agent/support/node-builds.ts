// The Node builds that the tests run against, on which a test may be declared once for each.
import test from 'ava';
import { type FoundNode, nodeOfMajor } from '../../e2e/support/nodes.js';

export const nodeMajors: readonly number[] = [20, 22, 24, 26];

const builds: ReadonlyMap<number, FoundNode> = new Map(
  await Promise.all(
    nodeMajors.map(async (major) => [major, await nodeOfMajor(major)] as [number, FoundNode]),
  ),
);

/** All on the oldest and the newest, each on one of those between: for what differs by `place` in a list. */
export function someMajors(place: number): number[] {
  return nodeMajors.filter((_major, at) => at % 3 === 0 || (at + place) % 2 === 0);
}

/** One test for each Node version; a version that is not to be had is skipped, with the reason. */
export function testOnEachNode(
  title: string,
  run: (t: import('ava').ExecutionContext, nodePath: string, major: number) => void | Promise<void>,
  majors: readonly number[] = nodeMajors,
): void {
  for (const major of majors) {
    const { path, reason } = builds.get(major) ?? { path: null, reason: 'is not asked for' };
    if (path === null) {
      test.skip(`Node ${major}: ${title} [${reason}]`, (t) => t.fail());
      continue;
    }
    test(`Node ${major}: ${title}`, (t) => run(t, path, major));
  }
}
