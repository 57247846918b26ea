// Takes the report's data out of the page.
import { unpack } from '../html/pack.js';
import { type PageData, pageData } from '../html/page-data.js';
import { type ReportHead, reportSchema } from '../html/report-data.js';

/** A message for the reader, not a bug. */
export class NotReadable extends Error {}

export async function loadReport(): Promise<PageData> {
  const element = document.getElementById('memprof-data');
  const text = element?.textContent?.trim() ?? '';
  if (text === '')
    throw new NotReadable('There are no data in this page: memprof report writes them into it.');
  // The text is not needed twice.
  element?.remove();
  if (typeof DecompressionStream === 'undefined')
    throw new NotReadable(
      'This browser cannot unpack the report (it has no DecompressionStream). Open it in Firefox 113, Chrome 80, Safari 16.4, or a newer one.',
    );
  const packed = await gunzip(bytesOf(text));
  const unpacked = unpack<ReportHead>(packed);
  if (unpacked.head.schema !== reportSchema)
    throw new NotReadable(
      `The data of this report are ${String(unpacked.head.schema)}, not ${reportSchema}.`,
    );
  return pageData(unpacked);
}

function bytesOf(base64: string): Uint8Array<ArrayBuffer> {
  const binary = atob(base64);
  const bytes = new Uint8Array(binary.length);
  for (let at = 0; at < bytes.length; at++) bytes[at] = binary.charCodeAt(at);
  return bytes;
}

async function gunzip(bytes: Uint8Array<ArrayBuffer>): Promise<Uint8Array> {
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream('gzip'));
  try {
    return new Uint8Array(await new Response(stream).arrayBuffer());
  } catch {
    throw new NotReadable('The data of this report are damaged: the file was cut or changed.');
  }
}
