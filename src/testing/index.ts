// memprof/testing: leak tests, for any test runner. Runs in the traced program, under memprof-run.
//
// Must not import anything of the project but errors, paths, sizes and the types of checks/.
export type {
  CheckFinding,
  FindingFrame,
  FindingRule,
  TrackSite,
  TrackStats,
} from '../checks/index.js';
export { MemprofError } from '../errors.js';
export { expectNoLeaks, LeakError, type LeakOptions, type LeakVerdict } from './expect-no-leaks.js';
export { expectMemoryBelow, type MemoryVerdict } from './memory.js';
export { ignoreLeaks, mark } from './notes.js';
export type { CommonOptions, WhenMissing } from './options.js';
export { type Tracker, type TrackOptions, track } from './track.js';
