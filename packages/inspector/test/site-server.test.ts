import { appendFile, mkdir, readFile, rename, rm, symlink, truncate, writeFile } from 'node:fs/promises';
import { request, type IncomingHttpHeaders, type OutgoingHttpHeaders } from 'node:http';
import { connect } from 'node:net';
import { join } from 'node:path';
import { InputError } from '@selective-dpo/foundation';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openCacheSite, startSiteServer, webPage, type Site, type SiteServer } from '../src/index.js';
import { byteRange } from '../src/server/byte-range.js';
import { filesOfFolder, folderFile, type SiteFile } from '../src/site/site-files.js';
import { pairRows, testFolder, writeCache } from './small-cache.js';

const folder = testFolder();
const TEXT = 'abcdefghij';

let site: Site;
let server: SiteServer;
let cache: string;
const failures: unknown[] = [];

beforeAll(async () => {
  cache = await writeCache(folder('cache'), pairRows(90));
  site = await openCacheSite(cache);
  await mkdir(folder('page/assets'), { recursive: true });
  await writeFile(folder('page/index.html'), '<!doctype html>');
  await writeFile(folder('page/assets/a b.js'), 'export {};');
  await writeFile(folder('secret.txt'), 'secret');
  await symlink(folder('secret.txt'), folder('page/link.txt'));
  await writeFile(folder('page/ten.txt'), TEXT);
  await writeFile(folder('page/empty.txt'), '');
  const files = new Map<string, SiteFile>([...site.files, ...(await webPage(folder('page')))]);
  files.set('linked.txt', folderFile(folder('page'), 'link.txt'));
  server = await startSiteServer(files, { onFailure: (_, error) => failures.push(error) });
});
afterAll(() => server.close());

interface Answer {
  status: number;
  headers: IncomingHttpHeaders;
  body: Buffer;
}

function ask(path: string, headers: OutgoingHttpHeaders = {}, method = 'GET'): Promise<Answer> {
  const { port } = new URL(server.url);
  return new Promise((resolve, reject) => {
    const sent = request({ host: '127.0.0.1', port, path, headers, method }, (response) => {
      const pieces: Buffer[] = [];
      response.on('data', (piece: Buffer) => pieces.push(piece));
      response.on('error', reject);
      response.on('end', () => {
        resolve({ status: response.statusCode!, headers: response.headers, body: Buffer.concat(pieces) });
      });
    });
    sent.on('error', reject);
    sent.end();
  });
}

/** Bytes as they are, past what an HTTP client would clean up. */
function askRaw(head: string): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = '';
    const socket = connect(Number(new URL(server.url).port), '127.0.0.1', () => socket.write(head));
    socket.setEncoding('utf8');
    socket.on('data', (piece: string) => (text += piece));
    socket.on('error', reject);
    socket.on('close', () => {
      resolve(text);
    });
  });
}

describe('files', () => {
  it('are sent with their type, and with headers that keep the page to itself', async () => {
    const page = await ask('/');
    expect([page.status, page.body.toString(), page.headers['content-type']]).toEqual([
      ...[200, '<!doctype html>', 'text/html; charset=utf-8'],
    ]);
    expect(page.headers['content-security-policy']).toBe(
      "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
        "worker-src 'self'; base-uri 'none'; frame-ancestors 'none'; form-action 'none'",
    );
    expect(page.headers['x-content-type-options']).toBe('nosniff');
    expect((await ask('/assets/a%20b.js?v=1')).headers['content-type']).toBe(
      'text/javascript; charset=utf-8',
    );
    expect((await ask('/empty.txt')).body).toHaveLength(0);
  });

  it('of a site are all that its description names, the shards byte for byte', async () => {
    const description = JSON.parse((await ask('/data/site.json')).body.toString()) as Site['description'];
    expect(description).toEqual(site.description);
    expect(description).toMatchObject({ version: 1, kind: 'cache', title: 'cache', cache: { rows: 90 } });
    const { shards, overview, pairs, manifest, dropped } = description.cache!;
    expect(shards.map(({ firstRow, rows }) => [firstRow, rows])).toEqual([
      [0, 40],
      [40, 40],
      [80, 10],
    ]);
    for (const { file, bytes } of shards) {
      const { status, body, headers } = await ask(`/${file}`);
      expect([status, body.length]).toEqual([200, bytes]);
      expect(body).toEqual(await readFile(join(cache, file.replace('data/cache/', ''))));
      expect(headers['content-type']).toBe('application/vnd.apache.parquet');
    }
    for (const path of [overview, pairs, manifest, dropped]) expect((await ask(`/${path}`)).status).toBe(200);
    expect((await ask('/data/vocabulary.json')).status).toBe(404);
  });

  it('are sent without content for HEAD, and again only when they have changed', async () => {
    const { headers } = await ask('/data/pairs.parquet');
    const head = await ask('/data/pairs.parquet', {}, 'HEAD');
    expect([head.status, head.body.length, head.headers['content-length']]).toEqual([
      ...[200, 0, headers['content-length']],
    ]);
    const etag = headers.etag!;
    expect(etag).toMatch(/^"[0-9a-f]{64}"$/);
    expect((await ask('/data/pairs.parquet', { 'if-none-match': etag })).status).toBe(304);
    expect((await ask('/data/pairs.parquet', { 'if-none-match': '"x", W/' + etag })).status).toBe(304);
    expect((await ask('/data/pairs.parquet', { 'if-none-match': '"x"' })).status).toBe(200);
  });

  it('that grow are sent as they are now', async () => {
    const before = await ask('/ten.txt');
    await appendFile(folder('page/ten.txt'), 'k');
    const after = await ask('/ten.txt', { 'if-none-match': before.headers.etag });
    expect([before.body.toString(), after.body.toString()]).toEqual([TEXT, `${TEXT}k`]);
    await truncate(folder('page/ten.txt'), 10);
  });

  it('that are damaged or gone are no longer there', async () => {
    const path = join(cache, 'shards/shard-00002.parquet');
    await rename(path, `${path}.away`);
    expect((await ask('/data/cache/shards/shard-00002.parquet')).status).toBe(404);
    await symlink(`${path}.away`, path);
    expect((await ask('/data/cache/shards/shard-00002.parquet')).status).toBe(404);
    await rm(path);
    await rename(`${path}.away`, path);
    expect((await ask('/data/cache/shards/shard-00002.parquet')).status).toBe(200);
    expect(failures.every((error) => error instanceof InputError)).toBe(true);
    expect(failures).toHaveLength(2);
  });
});

describe('ranges', () => {
  it.each([
    ['bytes=0-3', 206, 'abcd', 'bytes 0-3/10'],
    ['bytes=4-', 206, 'efghij', 'bytes 4-9/10'],
    ['bytes=-3', 206, 'hij', 'bytes 7-9/10'],
    ['bytes=-99', 206, TEXT, 'bytes 0-9/10'],
    ['bytes=8-99', 206, 'ij', 'bytes 8-9/10'],
    ['bytes=9-9', 206, 'j', 'bytes 9-9/10'],
    ['bytes=10-', 416, undefined, 'bytes */10'],
    ['bytes=-0', 416, undefined, 'bytes */10'],
    ['bytes=5-4', 200, TEXT, undefined],
    ['bytes=0-1,3-4', 200, TEXT, undefined],
    ['bytes=', 200, TEXT, undefined],
    ['bytes=-', 200, TEXT, undefined],
    ['items=0-1', 200, TEXT, undefined],
    ['bytes=0x1-2', 200, TEXT, undefined],
    ['bytes=99999999999999999999-', 416, undefined, 'bytes */10'],
    ['bytes=2-9007199254740993', 206, 'cdefghij', 'bytes 2-9/10'],
    [`bytes=2-${'9'.repeat(400)}`, 206, 'cdefghij', 'bytes 2-9/10'],
    [`bytes=-${'9'.repeat(400)}`, 206, TEXT, 'bytes 0-9/10'],
    [`bytes=${'9'.repeat(400)}-5`, 200, TEXT, undefined],
  ])('%s', async (range, status, body, contentRange) => {
    const answer = await ask('/ten.txt', { range });
    expect([answer.status, answer.headers['content-range']]).toEqual([status, contentRange]);
    if (body !== undefined) expect(answer.body.toString()).toBe(body);
  });

  it('agree with slices of the content for all numbers', () => {
    for (let size = 0; size < 5; size++) {
      const bytes = Array.from({ length: size }, (_, i) => i);
      for (let a = 0; a < 6; a++) {
        for (let b = a; b < 7; b++) {
          const wanted = bytes.slice(a, b + 1);
          const found = byteRange(`bytes=${a}-${b}`, size);
          if (wanted.length === 0) expect(found).toBe('none');
          else expect(found).toEqual({ first: wanted[0], last: wanted.at(-1) });
        }
      }
    }
  });

  it('hold for If-Range only where the content is known to be the same', async () => {
    const { etag } = (await ask('/data/pairs.parquet')).headers;
    const part = (tag: string) => ask('/data/pairs.parquet', { range: 'bytes=0-3', 'if-range': tag });
    expect((await part(etag!)).body.toString()).toBe('PAR1');
    expect((await part('"other"')).status).toBe(200);
    const weak = (await ask('/ten.txt')).headers.etag!;
    expect((await ask('/ten.txt', { range: 'bytes=0-3', 'if-range': weak })).status).toBe(200);
  });
});

describe('hostile requests', () => {
  it.each([
    '/../secret.txt',
    '/assets/../../secret.txt',
    '/%2e%2e/secret.txt',
    '/..%2fsecret.txt',
    '/%252e%252e%252fsecret.txt',
    '/assets/..%5c..%5csecret.txt',
    '/..\\secret.txt',
    '//secret.txt',
    '/./index.html',
    '/index.html%00',
    '/%',
    '/%ff',
    '/%c0%ae%c0%ae/secret.txt',
    'http://127.0.0.1/secret.txt',
    '/assets',
    '/assets/',
    '/link.txt',
    '/linked.txt',
    '/data/cache/shards/shard-00000.arrow',
    '/data/cache/shards/../manifest.json',
    '/__proto__',
    '/constructor',
    `/${'a'.repeat(8000)}`,
  ])('find nothing: %s', async (path) => {
    const head = await askRaw(`GET ${path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`);
    expect(head).toMatch(/^HTTP\/1\.1 404 /);
    expect(head).not.toContain('secret');
    expect(head).toContain('nosniff');
  });

  it('the way of asking itself finds what is there', async () => {
    expect(await askRaw('GET /ten.txt HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n')).toContain(
      TEXT,
    );
  });

  it.each(['evil.example', 'evil.example:80', '127.0.0.1.evil.example', 'localhost@evil.example'])(
    'by another name are refused: %s',
    async (host) => {
      const { status, body } = await ask('/ten.txt', { host });
      expect(status).toBe(403);
      expect(body.toString()).not.toContain(TEXT);
    },
  );

  it('without a name are refused', async () => {
    const head = await askRaw('GET /ten.txt HTTP/1.1\r\nHost: \r\nConnection: close\r\n\r\n');
    expect(head).toMatch(/^HTTP\/1\.1 403 /);
  });

  it('from pages of other origins are refused, those of the page itself are not', async () => {
    expect((await ask('/ten.txt', { origin: 'http://evil.example' })).status).toBe(403);
    expect((await ask('/ten.txt', { origin: 'null' })).status).toBe(403);
    const { host } = new URL(server.url);
    expect((await ask('/ten.txt', { origin: `http://${host}` })).status).toBe(200);
  });

  it.each(['POST', 'PUT', 'DELETE', 'OPTIONS', 'TRACE'])('%s is not allowed', async (method) => {
    const { status, headers } = await ask('/ten.txt', {}, method);
    expect([status, headers.allow]).toEqual([405, 'GET, HEAD']);
  });
});

describe('a server', () => {
  it('ends at once while a client waits, and its port is free again', async () => {
    const other = await startSiteServer(await filesOfFolder(folder('page')));
    const port = Number(new URL(other.url).port);
    const busy = await startSiteServer(new Map(), { port }).catch((error: unknown) => error);
    expect((busy as InputError).code).toBe('address-in-use');
    const socket = connect(port, '127.0.0.1');
    await new Promise((resolve) => socket.once('connect', resolve));
    const gone = new Promise((resolve) => socket.once('close', resolve));
    await other.close();
    await gone;
    const again = await startSiteServer(new Map(), { port });
    await again.close();
  });

  it('is not begun without a page', async () => {
    await mkdir(folder('nothing'));
    const refusal = await webPage(folder('nothing')).catch((error: unknown) => error);
    expect((refusal as InputError).code).toBe('page-missing');
  });
});
