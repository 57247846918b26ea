// Memory itself: what a checkpoint's resident memory consists of, how the allocator's heaps are filled, and which
// survivors keep pages that are otherwise empty.
//
// Pure. Must not import: fs, process, clocks, console, record/, native/, commands/, query/.

export {
  type AllocatorMappings,
  allocatorMappings,
  type OtherAllocator,
  otherAllocator,
} from './allocator.js';
export {
  diagnose,
  type MemoryFinding,
  type MemoryVerdict,
  type Remedy,
} from './diagnose.js';
export {
  type ExplainedMemory,
  type ExplainInput,
  explainMemory,
  type MemoryPart,
  memoryStackIds,
  type PartKind,
} from './explain.js';
export {
  type ArenaUse,
  type Fragmentation,
  fragmentationOf,
  type HeapMap,
  notResident,
  type PageClass,
  type PinningStack,
  type SizeClass,
  sparseBelow,
} from './fragmentation.js';
export { mallocBlocks } from './malloc-blocks.js';
export { PageMap } from './page-map.js';
export { type PageNote, pageNotes } from './page-notes.js';
export { type V8Collected, type V8Summary, v8Summary } from './v8.js';
