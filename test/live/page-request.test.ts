import test from 'ava';
import fc from 'fast-check';
import { judgeRequest, type PageRequest } from '../../src/live/index.js';

const own = { token: 'a-token-of-this-run', build: 'b1' };
const page: PageRequest = { method: 'GET', url: `/?token=${own.token}`, host: '127.0.0.1:4711' };
const dataUrl = `/data?token=${own.token}&build=b1&page=p-1&seen=3`;

const statusOf = (request: Partial<PageRequest>): number => {
  const answer = judgeRequest({ ...page, ...request }, own);
  return answer.kind === 'refused' ? answer.status : 200;
};

test('who has the token gets the page, and data for a page that says what it has', (t) => {
  t.deepEqual(judgeRequest(page, own), { kind: 'page' });
  t.deepEqual(judgeRequest({ ...page, url: dataUrl }, own), {
    kind: 'data',
    pageId: 'p-1',
    seen: 3,
  });
  t.is(statusOf({ host: 'localhost:9000' }), 200, 'through a tunnel');
  t.is(statusOf({ host: '127.0.0.1' }), 200, 'port 80');
});

test('without the token, or with another one, there is nothing', (t) => {
  t.is(statusOf({ url: '/' }), 403);
  t.is(statusOf({ url: '/?token=' }), 403);
  t.is(statusOf({ url: `/?token=${own.token}x` }), 403);
  t.is(statusOf({ url: dataUrl.replace(own.token, 'other') }), 403);
});

test('another name that leads here is no name of ours', (t) => {
  for (const host of [
    undefined,
    '',
    'evil.example',
    'evil.example:4711',
    '127.0.0.1.evil.example',
    'localhost.evil.example:4711',
    '[::1]:4711',
    '0.0.0.0:4711',
    '127.0.0.1:4711@evil.example',
  ])
    t.is(judgeRequest({ ...page, host }, own).kind, 'refused', String(host));
});

test('only GET, and only two paths', (t) => {
  for (const method of ['POST', 'HEAD', 'PUT', 'OPTIONS', 'DELETE', undefined])
    t.is(judgeRequest({ ...page, method }, own).kind, 'refused', String(method));
  t.is(statusOf({ method: 'POST' }), 405);
  for (const path of ['/foo', '/data/', '/favicon.ico', '//data', '/../data', '/data%00'])
    t.is(statusOf({ url: `${path}?token=${own.token}` }), 404, path);
});

test('a page of another build is told so, one that does not say what it has is refused', (t) => {
  t.is(statusOf({ url: dataUrl.replace('b1', 'b0') }), 409);
  t.is(statusOf({ url: dataUrl.replace('seen=3', 'seen=-1') }), 400);
  t.is(statusOf({ url: dataUrl.replace('seen=3', 'seen=x') }), 400);
  t.is(statusOf({ url: dataUrl.replace('p-1', '%3Cb%3E') }), 400);
  t.is(statusOf({ url: dataUrl.replace('p-1', 'p'.repeat(41)) }), 400);
});

test('whatever comes is judged, and nothing without the token is let in', (t) => {
  fc.assert(
    fc.property(fc.string(), fc.string(), fc.webUrl({ withQueryParameters: true }), (a, b, url) => {
      for (const one of [a, `/${a}`, `/?token=${b}`, `/data?${a}`, url, `//${a}`])
        t.is(judgeRequest({ ...page, url: one }, own).kind, 'refused', one);
    }),
  );
});
