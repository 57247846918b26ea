// What CI systems read, from the findings of a check: GitHub's annotations, SARIF, JUnit XML, Markdown.
//
//   githubAnnotations(findings, context): string[]   workflow commands, each a line of standard output
//   sarifLog(findings, context): string              a whole file, ends with a line break
//   junitXml(findings, context): string              a whole file, ends with a line break
//   markdownSummary(findings, context, {maxBytes}): string   to be appended to $GITHUB_STEP_SUMMARY
//
// Suppressed findings are among the findings given. Texts of the traced program may hold anything: they
// are made visible (report/escape.ts) and then escaped as the format wants it.
//
// Pure. Must not import: fs, process, clocks, console, record/, native/, commands/.
export { type CiContext, sortFindings, verdictText } from './context.js';
export { githubAnnotations } from './github.js';
export { junitXml } from './junit.js';
export { type MarkdownOptions, markdownSummary } from './markdown.js';
export { ruleWords } from './rules.js';
export { sarifLog } from './sarif.js';
