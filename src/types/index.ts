// What a native block is, where that can be known: a C++ class by its vtable, a container's part or a
// category of Node and V8 by the functions that allocated it. What cannot be known stays unknown.
//
// Pure. Must not import: fs, process, clocks, console; of this project only model/ and symbols/.
export {
  type AllocatorUse,
  allocatorNames,
  allocatorWords,
  isAnonymous,
  mappedByOwner,
  recognisedAllocator,
} from './allocators.js';
export { typeByStack } from './by-stack.js';
export { classOfVtable } from './vtable.js';
