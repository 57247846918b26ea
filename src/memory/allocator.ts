// Programs whose malloc is not glibc's: which allocator it is, and which mappings are its own. Pure.
import { FrameKind, type ProcessAllocator, type StackId, type TraceModel } from '../model/index.js';

export interface OtherAllocator extends ProcessAllocator {
  /** 'jemalloc', or its file where nobody knows it. */
  name: string;
  fileName: string;
}

const known = /jemalloc|mimalloc|tcmalloc/;
const glibc = /^libc(?:\.so\.6|-2\.\d+\.so)$/;

/** null: it is glibc's and nothing passes it by, or nobody knows. */
export function otherAllocator({ process }: Pick<TraceModel, 'process'>): OtherAllocator | null {
  const { allocator } = process;
  if (allocator === undefined) return null;
  const fileName = fileOf(allocator.passedBy ?? allocator.module);
  if (allocator.passedBy === null && glibc.test(fileName)) return null;
  return { ...allocator, name: known.exec(fileName)?.[0] ?? fileName, fileName };
}

export interface AllocatorMappings {
  fileName: string;
  /** Whether the allocator itself asked the system for it. */
  maps(stackId: StackId): boolean;
}

/** null: it is glibc's, or its mappings cannot be told from the program's own. */
export function allocatorMappings(
  model: Pick<TraceModel, 'process' | 'modules' | 'stacks'>,
): AllocatorMappings | null {
  const other = otherAllocator(model);
  if (other === null || other.passedBy !== null) return null;
  const { stacks } = model;
  const own = new Set<number>();
  const shims = new Set<number>();
  for (const { id, path, isShim } of model.modules) {
    if (isShim) shims.add(id);
    if (path === other.module) own.add(id);
  }
  return {
    fileName: other.fileName,
    maps(stackId) {
      for (
        let node: number = stackId;
        node > 0 && node < stacks.count;
        node = stacks.parent[node]!
      ) {
        const kind = stacks.kind[node]!;
        if (
          kind !== FrameKind.native &&
          kind !== FrameKind.nativePc &&
          kind !== FrameKind.nativeRecovered
        )
          continue;
        const image = stacks.index[node]!;
        if (!shims.has(image)) return own.has(image);
      }
      return false;
    },
  };
}

const fileOf = (path: string): string => path.slice(path.lastIndexOf('/') + 1);
