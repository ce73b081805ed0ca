import { lstat, readFile, readdir, readlink, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { NoticeEvent, ProgressEvent } from '@selective-dpo/foundation';
import { POLICY, fetched, freshFolder } from './fetched.js';
import { COMMIT, digestOf, modelOf, startHub, type HubServer } from './hub-server.js';

let hub: HubServer;
let cache: string;
beforeEach(async () => {
  hub = await startHub({ models: { 'org/tiny': await modelOf(POLICY) } });
  cache = await freshFolder();
});
afterEach(() => hub.close());

const folder = () => join(cache, 'models--org--tiny');
const tiny = () => hub.script.models['org/tiny']!;

describe('a model by its name', () => {
  it('lies in the cache as Python lays it out, with the files that loaders read and no others', async () => {
    tiny().files.set('pytorch_model.bin', Buffer.from('pickled'));
    tiny().files.set('merges.txt', Buffer.alloc(0));
    const { directory, repository, commit } = await fetched(hub, cache);
    expect({ directory, repository, commit }).toEqual({
      directory: join(folder(), 'snapshots', COMMIT),
      repository: 'org/tiny',
      commit: COMMIT,
    });
    const names = (await readdir(directory)).sort();
    expect(names).toEqual(
      [
        'config.json',
        'merges.txt',
        'model.safetensors',
        'special_tokens_map.json',
        'tokenizer.json',
        'tokenizer_config.json',
      ].sort(),
    );
    for (const name of names.filter((each) => each !== 'merges.txt')) {
      const content = await readFile(join(POLICY, name));
      expect(await readlink(join(directory, name))).toBe(join('..', '..', 'blobs', digestOf(name, content)));
      expect(content.equals(await readFile(join(directory, name)))).toBe(true);
    }
    expect(await readFile(join(folder(), 'refs', 'main'), 'utf8')).toBe(COMMIT);
    expect((await readdir(join(folder(), 'blobs'))).length).toBe(names.length);
    expect(await readdir(join(cache, '.locks', 'models--org--tiny'))).toEqual([]);
  });

  it('is not fetched twice, and is fetched again where a blob is damaged', async () => {
    const { directory } = await fetched(hub, cache);
    const before = hub.files.length;
    await fetched(hub, cache);
    expect(hub.files.length).toBe(before);
    const config = join(directory, 'config.json');
    const blob = join(directory, await readlink(config));
    const content = await readFile(config);
    await writeFile(blob, Buffer.from(content).fill(32, 0, 1));
    await fetched(hub, cache);
    expect(hub.files.slice(before).map(({ path }) => path)).toEqual(['config.json']);
    expect((await readFile(config)).equals(content)).toBe(true);
  });

  it('without its weights is a tokenizer', async () => {
    const { directory } = await fetched(hub, cache, { part: 'tokenizer' });
    expect(await readdir(directory)).not.toContain('model.safetensors');
    expect(await readdir(directory)).toContain('tokenizer.json');
  });

  it('is told of by bytes, the rate and the time left', async () => {
    const events: (ProgressEvent | NoticeEvent)[] = [];
    await fetched(hub, cache, { events });
    const last = events.at(-1) as ProgressEvent;
    const { size } = await stat(join(POLICY, 'model.safetensors'));
    expect(last).toMatchObject({
      type: 'progress',
      stage: 'fetch org/tiny',
      unit: 'bytes',
      done: size,
      total: size,
    });
    expect(last.ratePerSecond).toBeGreaterThan(0);
    expect(last.secondsLeft).toBe(0);
  });

  it('may be a listing of many pages, shards of an index, a branch with slashes or a commit', async () => {
    hub.script.pageSize = 2;
    const weights = tiny().files.get('model.safetensors')!;
    tiny().files.delete('model.safetensors');
    for (const i of [1, 2])
      tiny().files.set(`model-0000${i}-of-00002.safetensors`, Buffer.concat([weights, Buffer.of(i)]));
    const map = { a: 'model-00001-of-00002.safetensors', b: 'model-00002-of-00002.safetensors' };
    tiny().files.set('model.safetensors.index.json', Buffer.from(JSON.stringify({ weight_map: map })));
    tiny().revisions.push('refs/pr/1');
    const { directory } = await fetched(hub, cache, { name: 'org/tiny@refs/pr/1' });
    expect(await readdir(directory)).toEqual(
      expect.arrayContaining([...Object.values(map), 'model.safetensors.index.json']),
    );
    expect(await readFile(join(folder(), 'refs', 'refs', 'pr', '1'), 'utf8')).toBe(COMMIT);
    expect((await fetched(hub, cache, { name: `org/tiny@${COMMIT}` })).directory).toBe(directory);
    expect(hub.requests.filter(({ url }) => url.includes('cursor=')).length).toBeGreaterThan(1);
    await expect(lstat(join(folder(), 'refs', COMMIT))).rejects.toThrow();
  });
});
