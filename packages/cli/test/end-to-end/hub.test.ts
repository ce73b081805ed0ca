/** Models by name, from a hub on this machine. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { COMMIT, modelOf, startHub, type HubServer } from '../../../hub/test/hub-server.js';
import { contents } from './file-contents.js';
import { demo, freshFolder, sdpo } from './run-sdpo.js';

const TOKEN = 'hf_secretsecretsecret';
const REFERENCE = join(demo, 'reference');
const POLICY = join(demo, 'policy');
const python = process.env['SELECTIVE_DPO_PYTHON'] ?? 'python3';
const run = promisify(execFile);

let hub: HubServer;
let home: string;
beforeAll(async () => {
  hub = await startHub({
    models: {
      'org/reference': { ...(await modelOf(REFERENCE)), token: TOKEN },
      'org/policy': await modelOf(POLICY),
    },
  });
  home = await freshFolder();
});
afterAll(() => hub.close());

/** The environment of a machine with a hub of its own and nothing in its cache but `home`. */
const environment = (folder = home): Record<string, string> => ({
  HF_ENDPOINT: hub.url,
  HF_HOME: folder,
  HF_TOKEN: TOKEN,
});
const offline = () => ({ ...environment(), HF_ENDPOINT: 'http://127.0.0.1:9', HF_HUB_OFFLINE: '1' });

const scoreInto = (out: string, model: string, ...more: string[]) => [
  ...['score', '--model', model, '--data', join(demo, 'preferences', 'preferences.jsonl'), '--out', out],
  ...['--engine', 'wasm', '--limit', '40', '--rows-per-shard', '16', ...more],
];

/** Files of a cache; of its manifest what does not follow from the model's name. */
async function nameless(cache: string) {
  const files = await contents(cache);
  const manifest = JSON.parse(await readFile(join(cache, 'manifest.json'), 'utf8')) as {
    inputs: { model: { origin?: object } };
    digest?: string;
  };
  const { origin } = manifest.inputs.model;
  delete manifest.inputs.model.origin;
  delete manifest.digest;
  return { origin, files: { ...files, 'manifest.json': JSON.stringify(manifest) } };
}

describe('a reference by its name', () => {
  it('gives the cache that its folder gives, and the manifest records name and commit', async () => {
    const folder = await freshFolder();
    const [byName, byFolder] = [join(folder, 'name'), join(folder, 'folder')];
    const first = await sdpo(scoreInto(byName, 'org/reference', '--json'), { environment: environment() });
    expect(first.code, first.stderr).toBe(0);
    expect(first.stdout).toContain('"stage":"fetch org/reference"');
    expect((await sdpo(scoreInto(byFolder, REFERENCE))).code).toBe(0);
    const [named, plain] = [await nameless(byName), await nameless(byFolder)];
    expect(named.origin).toEqual({ repository: 'org/reference', commit: COMMIT });
    expect(plain.origin).toBeUndefined();
    expect(named.files).toEqual(plain.files);
    // The same model is no other input: a cache by its folder is complete for its name.
    const again = await sdpo(scoreInto(byFolder, 'org/reference'), { environment: offline() });
    expect([again.code, again.stdout]).toEqual([0, expect.stringContaining('already holds this cache')]);
    const { stdout } = await sdpo(['cache', 'info', byName]);
    expect(stdout).toMatch(/model\.origin\.repository +org\/reference/);
    const all =
      first.stdout + first.stderr + again.stdout + again.stderr + JSON.stringify(await contents(byName));
    expect(all).not.toContain(TOKEN);
  }, 120_000);
});
