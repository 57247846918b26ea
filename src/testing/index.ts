// memprof/testing: leak tests, for any test runner. Runs in the traced program, under memprof-run.
//
// Must not import anything of the project but errors, paths, sizes and, past the door of checks/, two files of types:
// with this folder they are what the package ships as declarations.
export type { CheckFinding, FindingFrame, FindingRule } from '../checks/finding.js';
export type { TrackSite, TrackStats } from '../checks/protocol.js';
export { MemprofError } from '../errors.js';
export { expectNoLeaks, LeakError, type LeakOptions, type LeakVerdict } from './expect-no-leaks.js';
export { expectMemoryBelow, type MemoryVerdict } from './memory.js';
export { ignoreLeaks, mark } from './notes.js';
export type { CommonOptions, WhenMissing } from './options.js';
export { type Tracker, type TrackOptions, track } from './track.js';
