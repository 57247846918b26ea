// What `memprof leaks` must say of each kind of test/fixtures/addons/leak-kinds, an object of it.
import type { Verdict } from './leaks.js';

/** How many blocks have a verdict, and their bytes in sum; null: Node's own size, whatever it is. */
export interface Expected {
  verdict: Verdict;
  blockCount: number;
  sizeBytes: number | null;
  /** Class of the owner: a name, or any name where nobody gave one. */
  owner?: string | RegExp;
}

export interface Kind {
  title: string;
  /** The function of the fixture that stands in the stacks of its blocks. */
  functionName: string;
  kept: readonly Expected[];
  dropped: readonly Expected[];
  /** Made in a Worker that has ended; as `dropped` where it is not said. */
  worker?: readonly Expected[];
  /** Node or a thread of libuv's pool may go on holding them: in a list (Node 22 on), a register, V8's pages. */
  isKeptByNode?: boolean;
}

/** Objects of each kind that the program makes. */
export const objectCount = 20;

const anyName = /./;
const held = (owner: string | RegExp, blockCount: number, sizeBytes: number | null): Expected => ({
  verdict: 'held-by-js',
  blockCount,
  sizeBytes,
  owner,
});
const lost = (sizeBytes: number | null): Expected => ({
  verdict: 'lost',
  blockCount: 1,
  sizeBytes,
});
const indirect = (blockCount: number, sizeBytes: number | null): Expected => ({
  verdict: 'lost-indirect',
  blockCount,
  sizeBytes,
});
const orphaned = (owner: string | RegExp, sizeBytes: number): Expected => ({
  verdict: 'orphaned',
  blockCount: 1,
  sizeBytes,
  owner,
});
const native = (blockCount: number, sizeBytes: number | null): Expected => ({
  verdict: 'held-by-native',
  blockCount,
  sizeBytes,
});

export const leakKinds: readonly Kind[] = [
  {
    title: 'malloc never freed',
    functionName: 'LeakMalloc::fill',
    kept: [held('LeakMalloc', 1, 1024)],
    dropped: [lost(1024)],
  },
  {
    title: 'a chain',
    functionName: 'LeakChain::fill',
    kept: [held('LeakChain', 3, 336)],
    dropped: [lost(112), indirect(2, 224)],
  },
  {
    title: 'a cycle of blocks',
    functionName: 'LeakCycle::fill',
    kept: [held('LeakCycle', 3, 336)],
    dropped: [lost(112), indirect(2, 224)],
  },
  {
    // Its nodes point back into the object, so any of them may be the one that counts as lost.
    title: 'std::map in a leaked object',
    functionName: 'LeakMap::fill',
    kept: [held('LeakMap', 5, 240)],
    dropped: [lost(null), indirect(4, null)],
  },
  {
    title: 'wrap without finalizer',
    functionName: 'handles::leak_wrap',
    kept: [held('LeakWrap', 1, 1040)],
    dropped: [orphaned('LeakWrap', 1040)],
  },
  {
    title: 'external without finalizer',
    functionName: 'handles::leak_external',
    kept: [held(anyName, 1, 1056)],
    dropped: [orphaned(anyName, 1056)],
  },
  {
    title: 'buffer whose finalizer forgets',
    functionName: 'handles::leak_buffer',
    kept: [held(/Buffer|Uint8Array/, 1, 1072)],
    dropped: [orphaned(/Buffer|Uint8Array/, 1072)],
  },
  {
    // The object cannot be collected; the napi_ref itself is Node's block and the addon's fault.
    title: 'reference never deleted',
    functionName: 'handles::leak_reference',
    kept: [held('LeakReference', 1, 1088), native(1, null)],
    dropped: [held('LeakReference', 1, 1088), native(1, null)],
    // The end of the environment finalizes the object; the napi_ref stays, and nobody has it.
    worker: [lost(null)],
  },
  {
    title: 'strong reference cycle through native code',
    functionName: 'LeakStrongCycle::fill',
    kept: [held('LeakStrongCycle', 1, 1120), native(1, null)],
    dropped: [held('LeakStrongCycle', 1, 1120), native(1, null)],
    worker: [lost(null)],
  },
  {
    // Its context and the function itself.
    title: 'thread-safe function never released',
    functionName: 'handles::leak_threadsafe',
    kept: [native(2, null)],
    dropped: [native(2, null)],
    worker: [lost(1104)],
  },
  {
    // The work and its data point at each other.
    title: 'async work never deleted',
    functionName: 'LeakAsyncWork::fill',
    isKeptByNode: true,
    kept: [held('LeakAsyncWork', 2, null)],
    dropped: [lost(null), indirect(1, null)],
  },
  {
    title: 'leak on a libuv thread',
    functionName: 'pool::leak_in_pool',
    kept: [held(anyName, 1, 1152)],
    dropped: [lost(1152)],
  },
  {
    title: 'leak through a global cache',
    functionName: 'cache::leak_for_cache',
    kept: [native(1, 1168)],
    dropped: [native(1, 1168)],
  },
];

/** Function names of the clean twins; what is kept is held by JavaScript, and nothing else is there. */
export const cleanFunctions: readonly string[] = [
  'CleanMalloc::fill',
  'CleanChain::fill',
  'CleanCycle::fill',
  'CleanMap::fill',
  'handles::clean_wrap',
  'handles::clean_external',
  'handles::clean_buffer',
  'handles::clean_reference',
  'CleanStrongCycle::fill',
  'handles::clean_threadsafe',
  'CleanAsyncWork::fill',
  'pool::clean_in_pool',
  'cache::clean_for_cache',
];
