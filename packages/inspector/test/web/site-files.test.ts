import { describe, expect, it } from 'vitest';
import { readJson } from '../../web/files/json-file.js';
import { checkSitePath, EmbeddedFiles, FetchedFiles, type SiteFiles } from '../../web/files/site-files.js';
import { readSite } from '../../web/files/site.js';
import { SiteProblem } from '../../web/files/site-problem.js';
import { json } from './made-site.js';

const BYTES = Uint8Array.from({ length: 100 }, (_, i) => i);

/** A host that knows ranges, or does not. */
function host(knowsRanges: boolean, asked: string[] = []): typeof fetch {
  return (input, init) => {
    asked.push(String(input));
    if (!String(input).endsWith('/site/data/a.bin'))
      return Promise.resolve(new Response('', { status: 404 }));
    const range = new Headers(init?.headers).get('Range');
    const match = /bytes=(\d*)-(\d*)/.exec(range ?? '');
    if (!knowsRanges || match === null) return Promise.resolve(new Response(BYTES.slice()));
    const [, first = '', last = ''] = match;
    const start = first === '' ? Math.max(0, 100 - Number(last)) : Number(first);
    if (start >= 100) {
      return Promise.resolve(new Response('', { status: 416, headers: { 'Content-Range': 'bytes */100' } }));
    }
    const end = first === '' || last === '' ? 100 : Math.min(100, Number(last) + 1);
    const headers = { 'Content-Range': `bytes ${start}-${end - 1}/100` };
    return Promise.resolve(new Response(BYTES.slice(start, end), { status: 206, headers }));
  };
}

const embedded = new EmbeddedFiles({ 'data/a.bin': Buffer.from(BYTES).toString('base64'), odd: '%%%' });
const kinds: [string, SiteFiles][] = [
  ['a host with ranges', new FetchedFiles('http://localhost/site/', host(true))],
  ['a host without ranges', new FetchedFiles('http://localhost/site/', host(false))],
  ['a page with its files inside', embedded],
];

describe.each(kinds)('%s', (_, files) => {
  it('gives whole files and pieces of them', async () => {
    expect(await files.read('data/a.bin')).toEqual({ bytes: BYTES, total: 100 });
    expect(await files.read('data/a.bin', { start: 10, end: 13 })).toEqual({
      bytes: BYTES.slice(10, 13),
      total: 100,
    });
    expect(await files.read('data/a.bin', { last: 7 })).toEqual({ bytes: BYTES.slice(93), total: 100 });
    expect(await files.read('data/a.bin', { last: 1000 })).toEqual({ bytes: BYTES, total: 100 });
    expect(await files.read('data/a.bin', { start: 98, end: 200 })).toEqual({
      bytes: BYTES.slice(98),
      total: 100,
    });
    expect(await files.read('data/a.bin', { start: 100, end: 200 })).toEqual({
      bytes: new Uint8Array(0),
      total: 100,
    });
  });

  it('says which file is missing', async () => {
    await expect(files.read('data/b.bin')).rejects.toThrow(SiteProblem);
    await expect(files.read('data/b.bin')).rejects.toThrow(/data\/b\.bin/);
  });
});

describe('files of a site', () => {
  it('are asked for once where a host knows no ranges', async () => {
    const asked: string[] = [];
    const files = new FetchedFiles('http://localhost/site/', host(false, asked));
    for (let start = 0; start < 50; start += 10) await files.read('data/a.bin', { start, end: start + 10 });
    expect(asked).toHaveLength(1);
  });

  it('are not taken as a whole where they are too large for it', async () => {
    const headers = { 'Content-Length': String(2 ** 31) };
    const files = new FetchedFiles('http://localhost/', () =>
      Promise.resolve(new Response('x', { headers })),
    );
    await expect(files.read('a', { start: 0, end: 1 })).rejects.toThrow(/larger than 1024 MiB/);
    expect((await files.read('a')).bytes.length).toBe(1);
  });

  it('lie in its own folder', async () => {
    const asked: string[] = [];
    const files = new FetchedFiles('http://localhost/site/', host(true, asked));
    for (const path of [
      '../x',
      'data/../../x',
      '/x',
      '//evil.example/x',
      'https://evil.example',
      'a//b',
      'a\\b',
      'x?y',
      '',
    ]) {
      await expect(files.read(path), path).rejects.toThrow(/outside its own folder/);
    }
    expect(asked).toEqual([]);
    expect(checkSitePath('data/policies/step 40.parquet')).toBe('data/policies/step 40.parquet');
  });

  it('that are damaged inside a page are named', async () => {
    await expect(embedded.read('odd')).rejects.toThrow(/odd/);
    await expect(embedded.read('__proto__')).rejects.toThrow(SiteProblem);
  });

  it('that cannot be reached give advice, not a stack', async () => {
    const files = new FetchedFiles('http://localhost/', () =>
      Promise.reject(new TypeError('Failed to fetch')),
    );
    await expect(files.read('data/site.json')).rejects.toMatchObject({
      advice: expect.stringContaining('server') as string,
    });
  });
});

describe('the description of a site', () => {
  const cache = (part: object = {}) => ({
    ...{ rows: 2, shards: [{ firstRow: 0, rows: 2, file: 'a', bytes: 1 }], stored: { shards: 1, bytes: 1 } },
    ...{ overview: 'o', pairs: 'p', manifest: 'm', dropped: 'd' },
    ...part,
  });
  const read = (value: unknown) =>
    readSite(new EmbeddedFiles({ 'data/site.json': Buffer.from(json(value)).toString('base64') }));

  it('is taken when it is sound', async () => {
    const site = { version: 1, kind: 'cache', title: 't', cache: cache() };
    expect(await read(site)).toEqual(site);
  });

  it.each([
    ['another version', { version: 2, title: 't' }, /version 2/],
    ['a list', [], /no JSON object/],
    ['no title', { version: 1 }, /title/],
    [
      'shards with more rows than the cache',
      { version: 1, title: 't', cache: cache({ rows: 1 }) },
      /cache\.rows/,
    ],
    [
      'shards out of order',
      {
        version: 1,
        title: 't',
        cache: cache({
          shards: [
            { firstRow: 1, rows: 1, file: 'a', bytes: 1 },
            { firstRow: 0, rows: 1, file: 'a', bytes: 1 },
          ],
        }),
      },
      /shards/,
    ],
    ['no overview', { version: 1, title: 't', cache: cache({ overview: 7 }) }, /overview/],
  ])('is refused with %s', async (_, value, message) => {
    await expect(read(value)).rejects.toThrow(message);
  });

  it.each([
    ['a run without metrics', { run: { config: {}, policies: [] } }, /: run$/],
    ['a run without a list of policies', { run: { config: {}, metrics: 'm' } }, /run\.policies/],
    [
      'a policy without a file',
      { run: { config: {}, metrics: 'm', policies: [{ name: 'a', step: 1 }] } },
      /run\.policies/,
    ],
    ['a sweep without keys', { sweep: { runs: [] } }, /: sweep$/],
    [
      'a run of a sweep without a configuration',
      { sweep: { keys: [], runs: [{ name: 'a', metrics: 'm' }] } },
      /sweep\.runs/,
    ],
  ])('is refused with %s', async (_, part, message) => {
    await expect(read({ version: 1, kind: 'run', title: 't', ...part })).rejects.toThrow(message);
  });

  it('that is no JSON is called damaged', async () => {
    const files = new EmbeddedFiles({ 'x.json': Buffer.from('{"a":').toString('base64') });
    await expect(readJson(files, 'x.json')).rejects.toThrow(/damaged/);
  });

  it('keeps keys like __proto__ as keys', async () => {
    const files = new EmbeddedFiles({ x: Buffer.from('{"__proto__":{"polluted":1}}').toString('base64') });
    const found = await readJson(files, 'x');
    expect(Object.keys(found)).toEqual(['__proto__']);
    expect(({} as { polluted?: number }).polluted).toBeUndefined();
  });
});
