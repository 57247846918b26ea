// What a request to the server of live pages may have. The server listens on loopback, where each program and each web page
// of this machine can send something: whoever has no token gets nothing, and a name that was made to point here (DNS
// rebinding) is no name of ours.
import { createHash, timingSafeEqual } from 'node:crypto';

export interface PageRequest {
  method: string | undefined;
  url: string | undefined;
  host: string | undefined;
}

export type PageAnswer =
  | { kind: 'page' }
  | {
      kind: 'data';
      /** Made up by the page: tells open pages apart. */
      pageId: string;
      /** Version of the data that it has; 0: none. */
      seen: number;
    }
  | { kind: 'refused'; status: number; text: string };

/** `build`: of the data; a page that another build made cannot read them. */
export function judgeRequest(
  { method, url, host }: PageRequest,
  { token, build }: { token: string; build: string },
): PageAnswer {
  if (!isOwnHost(host ?? ''))
    return refused(403, 'memprof answers under 127.0.0.1 and localhost only.');
  if (method !== 'GET') return refused(405, 'memprof answers GET only.');
  // By hand: to URL "//data" is the page / of another host, and some texts are nothing.
  const [, path, query] = /^([^?#]*)\??([^#]*)/.exec(url ?? '') as RegExpExecArray;
  const searchParams = new URLSearchParams(query);
  if (path !== '/' && path !== '/data') return refused(404, 'There is no such page.');
  if (!isEqual(searchParams.get('token') ?? '', token))
    return refused(
      403,
      'The address lacks the token of this run, or has another one. Open the address that memprof printed.',
    );
  if (path === '/') return { kind: 'page' };
  if (searchParams.get('build') !== build)
    return refused(409, 'This page is of another build of memprof. Reload it.');
  const pageId = searchParams.get('page') ?? '';
  const seen = Number(searchParams.get('seen') ?? '');
  if (!/^[\w-]{1,40}$/.test(pageId) || !Number.isSafeInteger(seen) || seen < 0)
    return refused(400, 'The request for data lacks the number of the page, or what it has.');
  return { kind: 'data', pageId, seen };
}

const refused = (status: number, text: string): PageAnswer => ({ kind: 'refused', status, text });

/** Any port: it may come through a tunnel (ssh -L). */
function isOwnHost(host: string): boolean {
  return /^(?:127\.0\.0\.1|localhost)(?::\d{1,5})?$/i.test(host);
}

/** Takes as long whatever is different. */
function isEqual(given: string, expected: string): boolean {
  const hash = (text: string) => createHash('sha256').update(text).digest();
  return timingSafeEqual(hash(given), hash(expected));
}
