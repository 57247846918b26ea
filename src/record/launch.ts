// Starting the traced program: finding it as a shell would, refusing what cannot be traced, its
// environment, its signals, its end. Knows nothing of rings, traces or reports.
export { adoptProgram, type Launched, takeLaunched } from './launch-adopt.js';
export { type Command, resolveCommand } from './launch-command.js';
export { type InheritedDescriptors, inheritedDescriptors } from './launch-descriptors.js';
export { endLike } from './launch-end.js';
export { type EnvironmentParts, tracedEnvironment, withOption } from './launch-environment.js';
export { assertPreloadable } from './launch-preload.js';
export { type ProgramEnd, type RunningProgram, spawnProgram } from './launch-spawn.js';
