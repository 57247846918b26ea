// Suppressions: which findings a person has decided to live with. Reads LeakSanitizer's and valgrind's files,
// matches their rules against findings, and writes new ones.
//
//   const rules = parseSuppressions(text, 'leaks.supp');        // throws a MemprofError that names file and line
//   const { findings, used, hidden } = suppress(found, rules, 'my-addon');
//
// Pure. Must not import: fs, process, console, record/, native/, report/, commands/.
export { generateSuppressions } from './generate.js';
export { matchRule, type Suppressed, type Suppressible, suppress } from './match.js';
export { parseSuppressions } from './parse.js';
export {
  type FramePattern,
  ruleText,
  type SuppressionFormat,
  type SuppressionRule,
} from './rule.js';
