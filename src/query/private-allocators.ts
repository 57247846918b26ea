// Which modules bring an allocator of their own, and how much they have mapped.
import type { StackId, TraceModel } from '../model/index.js';
import { isUsers } from '../report/index.js';
import { isServingLibrary, type StackOwners } from '../symbols/index.js';
import {
  type AllocatorUse,
  allocatorWords,
  mappedByOwner,
  recognisedAllocator,
} from '../types/index.js';
import type { OpenedTrace } from './opened.js';

export interface PrivateAllocator extends AllocatorUse {
  allocator: string;
}

/** For each word whether a file has it: a symbol, or in quotes a text among its constants. */
export type FindSymbols = (path: string, wanted: readonly string[]) => Promise<boolean[]>;

/** Less than this is no arena. */
const smallestArenaBytes = 64 << 10;

export const mappingStackIds = (model: TraceModel): StackId[] => [
  ...new Set(model.mappings.map((mapping) => mapping.stackId)),
];

/** `owners`: of mappingStackIds. Of the mappings at the end. */
export async function privateAllocators(
  { model, findSymbols }: Pick<OpenedTrace, 'model' | 'findSymbols'>,
  owners: StackOwners,
): Promise<PrivateAllocator[]> {
  const found: PrivateAllocator[] = [];
  for (const use of mappedByOwner(model.mappings, owners)) {
    if (use.sizeBytes < smallestArenaBytes || !isUsers(use.owner) || isServingLibrary(use.module))
      continue;
    const allocator = recognisedAllocator(await findSymbols(use.module, allocatorWords));
    if (allocator !== null) found.push({ ...use, allocator });
  }
  return found;
}

export function privateAllocatorJson({
  allocator,
  module,
  owner,
  mappingCount,
  sizeBytes,
}: PrivateAllocator) {
  return { allocator, module, package: owner.package, mappingCount, sizeBytes };
}
