// The project's own settings: memprof.config.js, .mjs or .ts, or "memprof" in package.json. Finds the file,
// loads it (it is the user's code and runs in memprof-run) and checks every value.
//
// Must not import: record/, native/, commands/, report/. Only load.ts touches files.
export { type FoundConfig, findProject, loadConfig, type Project } from './load.js';
export {
  type Budget,
  type CheckConfig,
  type CheckKind,
  checkKinds,
  emptyConfig,
  parseKinds,
  readConfig,
} from './validate.js';
