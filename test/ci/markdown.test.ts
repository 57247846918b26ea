import test from 'ava';
import fc from 'fast-check';
import { markdownSummary } from '../../src/ci/index.js';
import {
  anyContext,
  anyFindings,
  context,
  finding,
  formatPackages,
  requireFrom,
} from './support.js';
import { elements, xmlParsers } from './xml.js';

const packages = await formatPackages();
const render = packages.folder === null ? null : await gitHubMarkdown(packages.folder);
const withRenderer = render === null ? test.skip : test;
if (packages.reason !== null) test(`without a renderer: ${packages.reason}`, (t) => t.pass());

/** To elements: what is written is XHTML, so a strict parser reads it. */
async function gitHubMarkdown(folder: string) {
  const load = requireFrom(folder);
  const { saxes } = xmlParsers(load);
  const { micromark } = await import(load.resolve('micromark'));
  const { gfm, gfmHtml } = await import(load.resolve('micromark-extension-gfm'));
  return (markdown: string) => {
    const html: string = micromark(markdown, {
      allowDangerousHtml: true,
      extensions: [gfm()],
      htmlExtensions: [gfmHtml()],
    });
    return elements(saxes, `<page>${html}</page>`);
  };
}

test('a summary has a row and collapsed details for each finding', (t) => {
  t.snapshot(
    markdownSummary(
      [
        finding(),
        finding({ suppressedBy: 'leak:x' }),
        finding({ level: 'warning', rule: 'growth' }),
      ],
      context({ unjudged: ['pid 7 was killed'] }),
    ),
  );
  t.snapshot(markdownSummary([], context()));
  t.snapshot(markdownSummary([], context({ endedStatus: 3 })));
});

test('a summary stays below its limit and counts what it leaves out', (t) => {
  const long = finding({
    details: Array.from({ length: 300 }, (_one, at) => `${at} ${'é<'.repeat(500)}`),
  });
  const many = Array.from({ length: 60 }, () => long);
  const text = markdownSummary(many, context());
  t.true(Buffer.byteLength(text) < 1024 * 1024);
  t.regex(text, /\n10 more faults: see the log\./);
  t.regex(text, /The details of \d+ more faults: see the log\./);
  t.regex(text, /\.\.\. \d+ more lines/);
  for (const maxBytes of [300, 1000, 20_000])
    t.true(Buffer.byteLength(markdownSummary(many, context(), { maxBytes })) <= maxBytes);
});

withRenderer('whatever the names are, they are text in <code> and <pre>, and nothing else', (t) => {
  const allowed: Record<string, string[]> = {
    page: ['h3', 'p', 'table', 'details'],
    p: ['code'],
    table: ['tr'],
    tr: ['td', 'th'],
    td: ['code'],
    details: ['summary', 'pre'],
    summary: ['code', 'b'],
  };
  fc.assert(
    fc.property(anyFindings, anyContext, (findings, given) => {
      const found = render?.(markdownSummary(findings, given)) ?? [];
      for (const one of found) {
        for (const child of one.children)
          t.true(allowed[one.name]?.includes(child), `<${child}> in <${one.name}>`);
        t.deepEqual(one.attributes, {});
      }
      const active = findings.filter((one) => one.suppressedBy === null).length;
      const rows = found.filter((one) => one.name === 'tr').length;
      t.is(rows, active === 0 ? 0 : active + 1);
      const hidden = Number(active < findings.length) + Number(given.unjudged.length > 0);
      t.is(found.filter((one) => one.name === 'details').length, active + hidden);
    }),
  );
});
