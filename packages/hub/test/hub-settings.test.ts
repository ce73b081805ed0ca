import { mkdir, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { hubSettings } from '../src/index.js';
import { freshFolder } from './fetched.js';

/** Away from the token of whoever runs the tests. */
const bare = { HF_TOKEN_PATH: '/no/token' };

describe('the cache folder', () => {
  it.each([
    [{}, join(homedir(), '.cache', 'huggingface', 'hub')],
    [{ XDG_CACHE_HOME: '/x' }, '/x/huggingface/hub'],
    [{ XDG_CACHE_HOME: '/x', HF_HOME: '/h' }, '/h/hub'],
    [{ HF_HOME: '/h', HUGGINGFACE_HUB_CACHE: '/old' }, '/old'],
    [{ HF_HOME: '/h', HUGGINGFACE_HUB_CACHE: '/old', HF_HUB_CACHE: '/c' }, '/c'],
    [{ HF_HOME: '' }, join(homedir(), '.cache', 'huggingface', 'hub')],
    [{ HF_HOME: '~/h' }, join(homedir(), 'h', 'hub')],
    [{ HF_HOME: '$BIG/${USER_NAME}/h', BIG: '/big', USER_NAME: 'me' }, '/big/me/h/hub'],
  ])('%j', async (environment, folder) => {
    expect((await hubSettings({ ...bare, ...environment })).cacheFolder).toBe(folder);
  });
});

describe('the token', () => {
  it('comes from the environment, else from the file that the user has logged in by', async () => {
    const home = await freshFolder();
    const token = async (environment: object) => (await hubSettings({ HF_HOME: home, ...environment })).token;
    expect(await token({})).toBeUndefined();
    await writeFile(join(home, 'token'), 'hf_file\n');
    expect(await token({})).toBe('hf_file');
    await writeFile(join(home, 'other'), 'hf_other');
    expect(await token({ HF_TOKEN_PATH: join(home, 'other') })).toBe('hf_other');
    expect(await token({ HF_TOKEN: ' hf_here ' })).toBe('hf_here');
    expect(await token({ HUGGING_FACE_HUB_TOKEN: 'hf_old' })).toBe('hf_old');
    expect(await token({ HF_TOKEN: 'hf_here', HUGGING_FACE_HUB_TOKEN: 'hf_old' })).toBe('hf_here');
    for (const yes of ['1', 'true', 'YES', 'on']) {
      expect(await token({ HF_TOKEN: 'hf_here', HF_HUB_DISABLE_IMPLICIT_TOKEN: yes })).toBeUndefined();
    }
    expect(await token({ HF_TOKEN: 'hf_here', HF_HUB_DISABLE_IMPLICIT_TOKEN: '0' })).toBe('hf_here');
  });

  it('that cannot be sent is not shown', async () => {
    const failure: unknown = await hubSettings({ HF_TOKEN: 'hf_with\nline' }).catch(
      (error: unknown) => error,
    );
    expect(failure).toMatchObject({ code: 'hub-token', details: { hint: 'it comes from HF_TOKEN' } });
    expect(JSON.stringify(failure)).not.toContain('hf_with');
    const home = await freshFolder();
    await mkdir(join(home, 'token'));
    await expect(hubSettings({ HF_HOME: home })).rejects.toMatchObject({
      code: expect.any(String) as string,
    });
  });
});

describe('the endpoint and the rest', () => {
  it('follow the environment', async () => {
    const settings = await hubSettings(bare);
    expect(settings.endpoint.href).toBe('https://huggingface.co/');
    expect(settings).toMatchObject({ offline: false, idleMs: 10_000 });
    const other = {
      HF_ENDPOINT: 'https://mirror.example/hf/',
      HF_HUB_OFFLINE: '1',
      HF_HUB_DOWNLOAD_TIMEOUT: '90',
    };
    const { endpoint, ...rest } = await hubSettings({ ...bare, ...other });
    expect(endpoint.href).toBe('https://mirror.example/hf');
    expect(rest).toMatchObject({ offline: true, idleMs: 90_000 });
    expect((await hubSettings({ ...bare, TRANSFORMERS_OFFLINE: 'YES' })).offline).toBe(true);
  });

  it.each([
    [{ HF_ENDPOINT: 'huggingface.co' }, 'hub-endpoint'],
    [{ HF_ENDPOINT: 'https://user:pass@huggingface.co' }, 'hub-endpoint'],
    [{ HF_ENDPOINT: 'file:///tmp' }, 'hub-endpoint'],
    [{ HF_HUB_DOWNLOAD_TIMEOUT: '0' }, 'hub-setting'],
    [{ HF_HUB_DOWNLOAD_TIMEOUT: 'soon' }, 'hub-setting'],
  ])('refuse %j', async (environment, code) => {
    await expect(hubSettings({ ...bare, ...environment })).rejects.toMatchObject({ code });
  });
});
