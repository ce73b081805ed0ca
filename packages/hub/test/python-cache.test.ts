/** The cache is Python's, too: what huggingface_hub has fetched is used here, and what is fetched here it finds. */
import { execFile } from 'node:child_process';
import { readFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, it, type TestContext } from 'vitest';
import { POLICY, fetched, freshFolder } from './fetched.js';
import { COMMIT, modelOf, startHub, type HubServer } from './hub-server.js';

const python = process.env['SELECTIVE_DPO_PYTHON'] ?? 'python3';
const run = promisify(execFile);

let hub: HubServer;
let cache: string;
beforeEach(async () => {
  hub = await startHub({ models: { 'org/tiny': await modelOf(POLICY) } });
  cache = await freshFolder();
});
afterEach(() => hub.close());

/** Prints what snapshot_download gives. */
async function snapshot(words: string): Promise<string> {
  const script = `from huggingface_hub import snapshot_download; print(snapshot_download("org/tiny", ${words}))`;
  const env = {
    ...process.env,
    HF_ENDPOINT: hub.url,
    HF_HUB_CACHE: cache,
    HF_HUB_DISABLE_PROGRESS_BARS: '1',
  };
  return (await run(python, ['-c', script], { env })).stdout.trim();
}

async function needPython(context: TestContext): Promise<void> {
  const has = await run(python, ['-c', 'import huggingface_hub']).catch(() => undefined);
  if (has === undefined) context.skip(`${python} has no huggingface_hub`);
}

describe('huggingface_hub', () => {
  it('finds what was fetched here, and asks no server (needs huggingface)', async (context) => {
    await needPython(context);
    await expect(snapshot('local_files_only=True')).rejects.toThrow();
    const { directory } = await fetched(hub, cache);
    const asked = hub.requests.length;
    expect(await snapshot('local_files_only=True')).toBe(directory);
    expect(await snapshot(`revision="${COMMIT}", local_files_only=True`)).toBe(directory);
    expect(hub.requests.length).toBe(asked);
    // With a network it adds what it wants besides, and fetches nothing anew.
    const files = hub.files.length;
    expect(await snapshot('token=False')).toBe(directory);
    expect(hub.files.slice(files).map(({ path }) => path)).toEqual(['README.md']);
  });

  it('has fetched what is then used here, with and without a network (needs huggingface)', async (context) => {
    await needPython(context);
    const directory = await snapshot('token=False');
    const files = hub.files.length;
    expect((await fetched(hub, cache)).directory).toBe(directory);
    expect(hub.files.length).toBe(files);
    const asked = hub.requests.length;
    const offline = await fetched(hub, cache, { offline: true });
    expect(offline).toEqual({ directory, repository: 'org/tiny', commit: COMMIT });
    expect(hub.requests.length).toBe(asked);
    for (const name of await readdir(POLICY)) {
      expect((await readFile(join(directory, name))).equals(await readFile(join(POLICY, name)))).toBe(true);
    }
  });

  it('that was stopped half-way is not taken for done without a network (needs huggingface)', async (context) => {
    await needPython(context);
    const some = 'token=False, allow_patterns=["model.safetensors", "config.json"]';
    await snapshot(some);
    await expect(fetched(hub, cache, { offline: true })).rejects.toMatchObject({
      code: 'hub-not-cached',
      details: { found: expect.stringContaining('without tokenizer.json') as string },
    });
    expect(await readdir((await fetched(hub, cache)).directory)).toContain('tokenizer.json');
    await fetched(hub, cache, { offline: true });
  });
});
