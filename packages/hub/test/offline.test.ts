/** Models out of the cache alone, and folders before names. */
import { lstat, mkdir, readFile, readdir, realpath, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { locateModel } from '../src/index.js';
import { POLICY, fetched, freshFolder } from './fetched.js';
import { COMMIT, modelOf, startHub, type HubServer } from './hub-server.js';

let hub: HubServer;
beforeAll(async () => {
  hub = await startHub({ models: { 'org/tiny': await modelOf(POLICY) } });
});
afterAll(() => hub.close());

describe('without a network', () => {
  it('a model is found by branch and by commit, and no server is asked', async () => {
    const cache = await freshFolder();
    const { directory } = await fetched(hub, cache);
    const asked = hub.requests.length;
    const offline = { offline: true };
    expect((await fetched(hub, cache, offline)).directory).toBe(directory);
    expect((await fetched(hub, cache, { ...offline, name: `org/tiny@${COMMIT}` })).directory).toBe(directory);
    expect((await fetched(hub, cache, { ...offline, part: 'tokenizer' })).directory).toBe(directory);
    expect(hub.requests.length).toBe(asked);
  });

  it('what is not what its name says is not taken, and a link in the place of a download is not followed', async () => {
    const cache = await freshFolder();
    const { directory } = await fetched(hub, cache);
    const offline = () => fetched(hub, cache, { offline: true });
    await offline();
    for (const [name, spoil] of [
      ['model.safetensors', (bytes: Buffer) => bytes.fill(bytes[99]! ^ 1, 99, 100)],
      ['model.safetensors', (bytes: Buffer) => bytes.subarray(0, 1000)],
      ['tokenizer.json', (bytes: Buffer) => bytes.fill(bytes[9]! ^ 1, 9, 10)],
    ] as const) {
      const blob = await realpath(join(directory, name));
      const sound = await readFile(blob);
      await writeFile(blob, spoil(Buffer.from(sound)));
      const found = expect.stringContaining(`without ${name} (damaged)`) as string;
      await expect(offline()).rejects.toMatchObject({ code: 'hub-not-cached', details: { found } });
      await writeFile(blob, sound);
    }
    await offline();
    const blob = await realpath(join(directory, 'model.safetensors'));
    const victim = join(await freshFolder(), 'victim');
    await writeFile(victim, 'mine');
    await rm(blob);
    await symlink(victim, `${blob}.selective-dpo.incomplete`);
    await fetched(hub, cache);
    expect(await readFile(victim, 'utf8')).toBe('mine');
    expect((await lstat(blob)).isFile()).toBe(true);
    await offline();
  });

  it('says what is missing', async () => {
    const cache = await freshFolder();
    const missing = async (found: RegExp, how: object = {}) =>
      expect(fetched(hub, cache, { offline: true, ...how })).rejects.toMatchObject({
        code: 'hub-not-cached',
        details: {
          found: expect.stringMatching(found) as string,
          hint: expect.stringContaining('HF_HUB_OFFLINE') as string,
        },
      });
    await missing(/^no commit for the revision main, in .*models--org--tiny$/);
    const { directory } = await fetched(hub, cache, { part: 'tokenizer' });
    await missing(/without model\.safetensors/);
    await missing(/no commit for the revision v2/, { name: 'org/tiny@v2' });
    await missing(/without config\.json/, { name: `org/tiny@${'f'.repeat(40)}` });
    await rm(join(directory, 'tokenizer.json'));
    await missing(/without tokenizer\.json/, { part: 'tokenizer' });
    // A link whose blob is gone, and shards of an index.
    await fetched(hub, cache);
    await rm(join(directory, 'model.safetensors'));
    const map = {
      weight_map: { a: 'model-00001-of-00002.safetensors', b: 'model-00002-of-00002.safetensors' },
    };
    await writeFile(join(directory, 'model.safetensors.index.json'), JSON.stringify(map));
    await writeFile(join(directory, 'model-00001-of-00002.safetensors'), '');
    await missing(/without model-00002-of-00002\.safetensors,/);
  });

  it('takes no ref for more than a commit', async () => {
    const cache = await freshFolder();
    await fetched(hub, cache);
    await writeFile(join(cache, 'models--org--tiny', 'refs', 'main'), '../../../../etc');
    await expect(fetched(hub, cache, { offline: true })).rejects.toMatchObject({ code: 'hub-not-cached' });
  });
});

describe('a name that is also a folder', () => {
  it('means the folder, and other paths are left as they are', async () => {
    const folder = await freshFolder();
    const previous = process.cwd();
    process.chdir(folder);
    vi.stubEnv('HF_HOME', join(folder, 'home'));
    vi.stubEnv('HF_ENDPOINT', hub.url);
    try {
      const asked = hub.requests.length;
      await mkdir(join('org', 'tiny'), { recursive: true });
      expect(await locateModel('org/tiny', { part: 'model' })).toEqual({
        given: 'org/tiny',
        directory: 'org/tiny',
      });
      for (const path of ['./org/none', '/no/model', 'none', 'a/b/c']) {
        expect(await locateModel(path, { part: 'model' })).toEqual({ given: path, directory: path });
      }
      expect(hub.requests.length).toBe(asked);
      // Negative control: without the folder it is the name.
      await rm('org', { recursive: true });
      const { directory, origin } = await locateModel('org/tiny', { part: 'model' });
      expect(origin).toEqual({ repository: 'org/tiny', commit: COMMIT });
      expect(await readdir(directory)).toContain('model.safetensors');
      expect(directory.startsWith(join(folder, 'home', 'hub'))).toBe(true);
    } finally {
      process.chdir(previous);
      vi.unstubAllEnvs();
    }
  });
});
