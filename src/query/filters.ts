// --package, --module, --function of a stack; --thread, --size, --age of a block. Pure.
import type { Moment, ThreadInfo, TraceModel } from '../model/index.js';
import type { BlockFilter } from '../report/index.js';
import { baseName, type NamedStack } from '../symbols/index.js';

/** Both ends belong to it. */
export interface Range {
  min: number;
  max: number;
}

export interface FilterOptions {
  package?: string;
  module?: string;
  function?: string;
  thread?: string;
  size?: Range;
  age?: Range;
}

/** null: every stack passes. */
export function stackFilter(options: FilterOptions): ((stack: NamedStack) => boolean) | null {
  const tests: ((stack: NamedStack) => boolean)[] = [];
  const { package: packageName, module, function: functionName } = options;
  if (packageName !== undefined) {
    tests.push(({ owner }) => {
      if (owner.kind === 'node') return packageName === 'node';
      const found = owner.package;
      return (
        found !== null &&
        (found.name === packageName || `${found.name}@${found.version}` === packageName)
      );
    });
  }
  if (module !== undefined) {
    const matches = (path: string | null) =>
      path !== null && (path === module || baseName(path) === module);
    tests.push(
      (stack) =>
        matches(stack.owner.module) ||
        stack.frames.some((frame) => frame.kind !== 'marker' && matches(frame.module)),
    );
  }
  if (functionName !== undefined) {
    tests.push((stack) =>
      stack.frames.some(
        (frame) =>
          frame.kind !== 'marker' &&
          frame.function !== null &&
          frame.function.includes(functionName),
      ),
    );
  }
  return tests.length === 0 ? null : (stack) => tests.every((passes) => passes(stack));
}

/** null: every block passes. */
export function blockFilter(
  model: TraceModel,
  moment: Pick<Moment, 'atNs'>,
  options: FilterOptions,
): BlockFilter | null {
  const tests: BlockFilter[] = [];
  const { thread, size, age } = options;
  if (thread !== undefined) {
    const wanted = new Set(
      model.threads.filter((one) => isThread(one, thread, model)).map((one) => one.index),
    );
    tests.push((live, row) => wanted.has(live.threadIndex[row]));
  }
  if (size !== undefined)
    tests.push((live, row) => live.sizeBytes[row] >= size.min && live.sizeBytes[row] <= size.max);
  if (age !== undefined) {
    tests.push((live, row) => {
      const ageNs = moment.atNs - live.bornNs[row];
      return ageNs >= age.min && ageNs <= age.max;
    });
  }
  return tests.length === 0 ? null : (live, row) => tests.every((passes) => passes(live, row));
}

function isThread(thread: ThreadInfo, wanted: string, model: TraceModel): boolean {
  return (
    thread.name === wanted || String(thread.tid) === wanted || threadName(thread, model) === wanted
  );
}

/** "main", the thread's own name, or its kernel id. */
export function threadName(thread: ThreadInfo, model: TraceModel): string {
  if (thread.tid === model.process.pid) return 'main';
  return thread.name === '' ? `tid ${thread.tid}` : thread.name;
}
