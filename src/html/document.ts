// The finished file: the page as the build made it, and the data in it. Pure.
//
// The data stand in a <script> of a type that is no script, as base64 of gzip: there is no character in them that
// markup could be made of, whatever the traced program called its functions.

import { liveElementId, liveMark } from './live-marks.js';
import { safeText } from './texts.js';

export const dataPlace = '<!--memprof-data-->';
export const dataElementId = 'memprof-data';

export function reportDocument(template: string, packed: Uint8Array, title: string): string {
  const at = template.indexOf(dataPlace);
  if (at < 0 || template.indexOf(dataPlace, at + 1) >= 0)
    throw new Error('the template of the report does not have one place for its data');
  const data = `<script type="application/octet-stream" id="${dataElementId}">${Buffer.from(packed.buffer, packed.byteOffset, packed.byteLength).toString('base64')}</script>`;
  return withTitle(template.slice(0, at) + data + template.slice(at + dataPlace.length), title);
}

/**
 * The page without data: it asks for them where it came from. `build`: what the data will be of. null: the template is of a
 * build that cannot do that.
 */
export function liveDocument(
  template: string,
  build: string,
): { html: string; policy: string } | null {
  const policy = /<meta http-equiv="Content-Security-Policy" content="([^"]*)"/.exec(template)?.[1];
  if (policy === undefined || !template.includes(liveMark) || !template.includes(dataPlace))
    return null;
  const livePolicy = `${policy}; connect-src 'self'`;
  const html = template
    .replace(policy, () => livePolicy)
    .replace(dataPlace, () => `<div id="${liveElementId}" data-build="${htmlText(build)}"></div>`);
  return { html: withTitle(html, 'memprof, live'), policy: livePolicy };
}

function withTitle(page: string, title: string): string {
  return page.replace(
    '<title>memprof</title>',
    () => `<title>${htmlText(safeText(title, 200))}</title>`,
  );
}

export const htmlText = (text: string): string =>
  text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
