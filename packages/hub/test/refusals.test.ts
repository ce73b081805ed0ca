/** What the hub refuses, what it must not list, and what is said then. */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { NoticeEvent, ProgressEvent } from '@selective-dpo/foundation';
import { POLICY, fetched, freshFolder, type Fetching } from './fetched.js';
import { modelOf, startHub, type HubServer, type ServedModel } from './hub-server.js';

const TOKEN = 'hf_0123456789abcdef';

let hub: HubServer;
let cache: string;
let tiny: ServedModel;
beforeEach(async () => {
  tiny = await modelOf(POLICY);
  hub = await startHub({ models: { 'org/tiny': tiny } });
  cache = await freshFolder();
});
afterEach(() => hub.close());

const fetchTiny = (how: Fetching = {}) => fetched(hub, cache, how);
const weightsAsked = () => hub.files.filter(({ path }) => path.endsWith('.safetensors')).length;

async function refused(code: string, details: object = {}, how: Fetching = {}): Promise<void> {
  const error: unknown = await fetchTiny(how).catch((failure: unknown) => failure);
  expect(error).toMatchObject({ name: 'InputError', code, details });
  expect(JSON.stringify(error) + String(error)).not.toContain(TOKEN);
}
const saying = (text: string) => expect.stringContaining(text) as string;

describe('the hub refuses', () => {
  it('a model that is not there, or that others may not see', async () => {
    await refused('hub-model-missing', { file: 'org/none', hint: saying('HF_TOKEN') }, { name: 'org/none' });
    tiny.token = TOKEN;
    await refused('hub-model-missing', { found: saying('401'), hint: saying('HF_TOKEN') });
    await refused('hub-model-missing', { hint: saying('may see too little') }, { token: 'hf_other' });
    // Negative control.
    expect(await readdir((await fetchTiny({ token: TOKEN })).directory)).toContain('model.safetensors');
  });

  it('a revision that is not there', async () => {
    await refused(
      'hub-revision-missing',
      { file: 'org/tiny@v2', found: saying('Invalid rev id') },
      { name: 'org/tiny@v2' },
    );
  });

  it('a model whose terms nobody has agreed to', async () => {
    tiny.gated = true;
    await refused('hub-gated', {
      hint: `agree at ${hub.url}/org/tiny and put a token of your account into HF_TOKEN`,
    });
    await refused('hub-gated', { hint: saying('the account of your token') }, { token: TOKEN });
  });

  it('a token, and repeats it', async () => {
    hub.script.instead = (request, response) => {
      const said = `no such token: ${request.headers.authorization}`;
      response.writeHead(401, { 'x-error-message': said }).end(JSON.stringify({ error: said }));
      return true;
    };
    await refused('hub-token', { found: 'HTTP 401: no such token: Bearer [key]' }, { token: TOKEN });
  });

  it('what a token may not read', async () => {
    hub.script.instead = (request, response) => {
      response.writeHead(403).end(`no, ${request.headers.authorization}`);
      return true;
    };
    await refused('hub-forbidden', { hint: saying('HF_TOKEN') });
    await refused('hub-forbidden', { found: 'HTTP 403: no, Bearer [key]' }, { token: TOKEN });
  });

  it('for now: it is asked again, then given up', async () => {
    let refusals = 2;
    hub.script.instead = (_, response) => {
      if (refusals-- <= 0) return false;
      response.writeHead(429, { 'retry-after': '0' }).end();
      return true;
    };
    const { directory } = await fetchTiny();
    expect(await readdir(directory)).toContain('model.safetensors');
    [cache, refusals] = [await freshFolder(), Infinity];
    const before = hub.requests.length;
    await refused('hub-unreachable', { found: 'HTTP 429' });
    expect(hub.requests.length - before).toBe(3);
  });

  it('does not answer', async () => {
    const { url } = hub;
    await hub.close();
    const error: unknown = await fetched({ url }, cache).catch((failure: unknown) => failure);
    expect(error).toMatchObject({ code: 'hub-unreachable', details: { found: 'ECONNREFUSED' } });
    hub = await startHub({ models: { 'org/tiny': tiny } });
    await fetchTiny();
    const events: (ProgressEvent | NoticeEvent)[] = [];
    // What is in the cache is taken then, and said.
    expect((await fetched({ url }, cache, { events })).commit).toBe(tiny.commit);
    expect(events).toEqual([expect.objectContaining({ code: 'hub-from-cache' })]);
  });
});

describe('a model that cannot be loaded is refused before its weights come', () => {
  it.each([
    [
      'pickled weights alone',
      'weights-format',
      (files: Map<string, Buffer>) => rename(files, 'pytorch_model.bin'),
    ],
    ['GGUF alone', 'weights-format', (files: Map<string, Buffer>) => rename(files, 'model-q4.gguf')],
    ['no weights', 'weights-missing', (files: Map<string, Buffer>) => void files.delete('model.safetensors')],
    ['no config.json', 'hub-not-a-model', (files: Map<string, Buffer>) => void files.delete('config.json')],
    [
      'an architecture that is not known',
      'config-architecture',
      (files: Map<string, Buffer>) =>
        void files.set(
          'config.json',
          Buffer.from(
            files.get('config.json')!.toString().replaceAll('llama', 'mamba').replaceAll('Llama', 'Mamba'),
          ),
        ),
    ],
  ])('%s', async (_, code, change) => {
    change(tiny.files);
    const error: unknown = await fetchTiny().catch((failure: unknown) => failure);
    expect(JSON.stringify(error)).toContain(code);
    expect(weightsAsked()).toBe(0);
  });

  const rename = (files: Map<string, Buffer>, name: string): void => {
    files.set(name, files.get('model.safetensors')!);
    files.delete('model.safetensors');
  };
});

describe('a listing', () => {
  it.each(['../evil', '/etc/evil', 'a/../../evil', 'C:evil', 'a\\..\\evil', 'a//b', './a', 'a\u0000b', ''])(
    'with the path %j is refused',
    async (path) => {
      hub.script.spoilTree = (entries) => [...entries, { ...entries[0], path }];
      await refused('path-outside-folder', { file: 'org/tiny' });
      expect(hub.files).toEqual([]);
      expect(await readdir(cache)).toEqual([]);
    },
  );

  it('with a harmless name that no loader needs is taken', async () => {
    hub.script.spoilTree = (entries) => [...entries, { ...entries[0], path: 'Ein Bild (1) …/ü.png' }];
    await fetchTiny();
  });

  type Entries = Record<string, unknown>[];
  it.each<[string, (entries: Entries) => unknown]>([
    ['is no list', () => ({ error: 'none' })],
    [
      'has a digest that is a path',
      (entries) => entries.map((entry) => ({ ...entry, oid: '../../../../evil' })),
    ],
    [
      'has a large file’s digest that is a path',
      (entries) => entries.map((entry) => ({ ...entry, lfs: { oid: '../evil', size: 1 } })),
    ],
    [
      'has two sizes for a file',
      (entries) => entries.map((entry) => ({ ...entry, lfs: { oid: 'a'.repeat(64), size: 7 } })),
    ],
    ['has a size below 0', (entries) => entries.map((entry) => ({ ...entry, size: -1 }))],
    [
      'has no digest of a file in Xet',
      (entries) => entries.map((entry) => ({ ...entry, lfs: null, xetHash: 'a'.repeat(64) })),
    ],
    ['has a file twice', (entries) => [...entries, entries[0]]],
    ['is too deep', () => JSON.parse(`${'['.repeat(200)}${']'.repeat(200)}`) as unknown],
  ])('that %s is refused', async (_, spoil) => {
    hub.script.spoilTree = spoil;
    await refused('hub-listing', { file: 'org/tiny' });
    expect(hub.files).toEqual([]);
  });

  it('of sizes that no disk has is refused before anything comes', async () => {
    const bytes = 2 ** 52;
    hub.script.spoilTree = (entries) =>
      entries.map((entry) => ({ ...entry, size: bytes, lfs: { oid: 'a'.repeat(64), size: bytes } }));
    await refused('disk-full', { expected: saying('GiB') });
    expect(hub.files).toEqual([]);
  });

  it('without end, or with a commit that is none, is refused', async () => {
    hub.script.pageSize = 0;
    await refused('hub-listing', { found: 'more than 100 pages' });
    hub.script.pageSize = 1000;
    tiny.commit = '../../evil';
    await refused('hub-listing', { found: 'no commit' });
  });

  it('by an index that names other files than weights is refused', async () => {
    rename('../evil.safetensors');
    await refused('path-outside-folder');
    rename('evil.bin');
    await refused('weights-format');
    rename('absent.safetensors');
    await refused('weights-index', { found: 'absent.safetensors' });
    expect(weightsAsked()).toBe(0);
  });

  function rename(shard: string): void {
    tiny.files.delete('model.safetensors');
    tiny.files.set('model.safetensors.index.json', Buffer.from(JSON.stringify({ weight_map: { a: shard } })));
  }
});

describe('the token', () => {
  it('over a connection that others can read is told of', async () => {
    const codes = async (url: string, token?: string) => {
      const events: (ProgressEvent | NoticeEvent)[] = [];
      await fetched({ url }, cache, { token, events }).catch(() => undefined);
      return events.flatMap((event) => (event.type === 'notice' ? [event.code] : []));
    };
    expect(await codes('http://0.0.0.0:9', TOKEN)).toEqual(['token-in-clear']);
    expect(await codes('http://0.0.0.0:9')).toEqual([]);
    expect(await codes('http://127.0.0.1:9', TOKEN)).toEqual([]);
  });

  it('goes to the hub with every request, and to nobody else', async () => {
    await fetchTiny({ token: TOKEN });
    const keyed = hub.requests.filter(({ authorization }) => authorization === `Bearer ${TOKEN}`);
    expect(new Set(keyed.map(({ server }) => server))).toEqual(new Set(['hub']));
    expect(keyed.length).toBe(hub.requests.filter(({ server }) => server === 'hub').length);
    const stored = hub.requests.filter(({ server }) => server === 'store');
    expect(stored.length).toBeGreaterThan(0);
    expect(stored.every(({ authorization }) => authorization === undefined)).toBe(true);
  });

  it('stays here where the hub itself redirects its answers, or its next page, elsewhere', async () => {
    hub.script.instead = (request, response) => {
      if (!request.url!.includes('/api/')) return false;
      response.writeHead(307, { location: `${hub.storeUrl}${request.url}` }).end();
      return true;
    };
    await refused('hub-redirect', { found: hub.storeUrl }, { token: TOKEN });
    hub.script.instead = (request, response) => {
      if (!request.url!.includes('/tree/')) return false;
      response.writeHead(200, { link: `<${hub.storeUrl}/next>; rel="next"` }).end('[]');
      return true;
    };
    await refused('hub-redirect', { found: hub.storeUrl }, { token: TOKEN });
    expect(hub.requests.filter(({ server }) => server === 'store')).toEqual([]);
  });

  it('goes along where a model was renamed on the hub', async () => {
    hub.script.instead = (request, response) => {
      if (!request.url!.includes('org/old')) return false;
      response.writeHead(307, { location: request.url!.replace('org/old', 'org/tiny') }).end();
      return true;
    };
    tiny.token = TOKEN;
    const { directory, repository } = await fetchTiny({ name: 'org/old', token: TOKEN });
    expect(repository).toBe('org/old');
    expect(directory).toContain(join(cache, 'models--org--old'));
  });

  it('is not sent round in circles, nor to what is no web address', async () => {
    for (const location of ['/org/tiny', 'file:///etc/passwd', 'ftp://127.0.0.1/', '']) {
      hub.script.redirect = () => location;
      hub.script.instead = (request, response) => {
        if (request.url !== '/org/tiny') return false;
        response.writeHead(302, { location: '/org/tiny' }).end();
        return true;
      };
      await refused('hub-redirect', {}, { token: TOKEN });
    }
  });
});
