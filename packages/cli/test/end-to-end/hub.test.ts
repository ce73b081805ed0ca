/** Models by name, from a hub on this machine. */
import { execFile } from 'node:child_process';
import { mkdir, readFile, readdir, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { COMMIT, modelOf, startHub, type HubServer } from '../../../hub/test/hub-server.js';
import { contents } from './file-contents.js';
import { BIN, demo, freshFolder, sdpo } from './run-sdpo.js';

const TOKEN = 'hf_secretsecretsecret';
const REFERENCE = join(demo, 'reference');
const POLICY = join(demo, 'policy');
const WEIGHTS = 'model.safetensors';
const run = promisify(execFile);

let hub: HubServer;
let home: string;
/** Of a machine with a hub of its own and an empty cache. */
let environment: Record<string, string>;
beforeEach(async () => {
  hub = await startHub({
    models: {
      'org/reference': { ...(await modelOf(REFERENCE)), token: TOKEN },
      'org/policy': await modelOf(POLICY),
    },
  });
  home = await freshFolder();
  environment = { HF_ENDPOINT: hub.url, HF_HOME: home, HF_TOKEN: TOKEN };
});
afterEach(() => hub.close());

const scoreInto = (out: string, model: string, ...more: string[]) => [
  ...['score', '--model', model, '--data', join(demo, 'preferences', 'preferences.jsonl'), '--out', out],
  ...['--engine', 'wasm', '--limit', '40', '--rows-per-shard', '16', ...more],
];
const blobs = () => join(home, 'hub', 'models--org--reference', 'blobs');
const incomplete = async () =>
  (await readdir(blobs()).catch(() => [])).filter((name) => name.endsWith('.incomplete'));

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
    const first = await sdpo(scoreInto(byName, 'org/reference', '--json'), { environment });
    expect(first.code, first.stderr).toBe(0);
    expect(first.stdout).toContain('"stage":"fetch org/reference"');
    expect((await sdpo(scoreInto(byFolder, REFERENCE))).code).toBe(0);
    const [named, plain] = [await nameless(byName), await nameless(byFolder)];
    expect(named.origin).toEqual({ repository: 'org/reference', commit: COMMIT });
    expect(plain.origin).toBeUndefined();
    expect(named.files).toEqual(plain.files);
    // The same model is no other input: a cache by its folder is complete for its name, here without a network.
    await hub.close();
    const again = await sdpo(scoreInto(byFolder, 'org/reference', '--offline'), { environment });
    expect([again.code, again.stdout]).toEqual([0, expect.stringContaining('already holds this cache')]);
    const { stdout } = await sdpo(['cache', 'info', byName]);
    expect(stdout).toMatch(/model\.origin\.repository +org\/reference/);
    const all = [first, again].flatMap((one) => [one.stdout, one.stderr]).join('');
    expect(
      all + Object.values(named.files).map((file) => Buffer.from(file, 'base64').toString('latin1')),
    ).not.toContain(TOKEN);
  }, 120_000);

  it('stopped by Ctrl-C while it is fetched goes on there, also after a kill', async () => {
    const out = join(await freshFolder(), 'cache');
    hub.script.fault = ({ path, count }) =>
      path === WEIGHTS && count < 3 ? { kind: 'stall', after: 400_000 } : undefined;
    const begun = () => hub.files.filter(({ path }) => path === WEIGHTS).length;
    const soon = (calls: number) => {
      let since = 0;
      return () => begun() === calls && (since ||= performance.now()) + 500 < performance.now();
    };
    const stopped = await sdpo(scoreInto(out, 'org/reference'), { environment, interrupt: soon(1) });
    expect([stopped.code, stopped.stderr]).toEqual([
      130,
      expect.stringContaining(
        'org/reference: stopped; what was fetched is kept; to go on: run the same command again',
      ),
    ]);
    const [name] = await incomplete();
    const { size } = await stat(join(blobs(), name!));
    expect(size).toBeGreaterThan(0);
    const killed = await sdpo(scoreInto(out, 'org/reference'), { environment, kill: soon(2) });
    expect(killed.code).toBeNull();
    const done = await sdpo(scoreInto(out, 'org/reference'), { environment });
    expect(done.code, done.stderr).toBe(0);
    const starts = hub.files.filter(({ path }) => path === WEIGHTS).map(({ from }) => from);
    expect(starts.slice(0, 2)).toEqual([0, size]);
    expect(starts[2]).toBeGreaterThan(size);
    expect(await incomplete()).toEqual([]);
  }, 120_000);

  it('is fetched once by two commands at one time', async () => {
    const folder = await freshFolder();
    const both = await Promise.all(
      ['a', 'b'].map((name) => sdpo(scoreInto(join(folder, name), 'org/reference'), { environment })),
    );
    expect(both.map(({ code, stderr }) => [code, stderr])).toEqual([
      [0, ''],
      [0, ''],
    ]);
    expect(hub.files.filter(({ path }) => path === WEIGHTS).length).toBe(1);
    expect(await contents(join(folder, 'a'))).toEqual(await contents(join(folder, 'b')));
  }, 120_000);

  it('is not fetched for a dataset that is not there', async () => {
    const args = scoreInto(join(await freshFolder(), 'cache'), 'org/reference');
    args[args.indexOf('--data') + 1] = '/no/rows.jsonl';
    const { code, stderr } = await sdpo(args, { environment });
    expect([code, stderr]).toEqual([2, expect.stringContaining('/no/rows.jsonl')]);
    expect(hub.requests).toEqual([]);
  });

  it('on a disk that gets full says so, and goes on when there is room', async (context) => {
    const [disk, out] = [await freshFolder(), join(await freshFolder(), 'cache')];
    const onDisk = async (script: string) => {
      const words = [disk, process.execPath, BIN, ...scoreInto(out, 'org/reference')];
      const env = { ...process.env, ...environment, HF_HOME: disk, HF_HUB_DOWNLOAD_TIMEOUT: '1' };
      return run('unshare', ['-rm', 'bash', '-c', script, 'bash', ...words], { env });
    };
    const small = 'disk=$1; shift; mount -t tmpfs -o size=1m none "$disk" || exit 99';
    if ((await onDisk(small).catch(() => undefined)) === undefined)
      context.skip('needs unshare and mounts by users');
    const refused = await onDisk(`${small}; "$@"; echo "code $?"`);
    expect(refused.stdout).toContain('code 2');
    expect(refused.stderr).toContain('too little room for the model; found 1 MiB free; expected 3 MiB');
    expect(hub.files.map(({ path }) => path)).not.toContain(WEIGHTS);
    // While the hub is silent, somebody else fills the disk.
    hub.script.fault = ({ path, count }) =>
      path === WEIGHTS && count === 1 ? { kind: 'stall', after: 400_000 } : undefined;
    const { stdout, stderr } = await onDisk(`
      disk=$1; shift; mount -t tmpfs -o size=4m none "$disk"
      "$@" & while [ -z "$(find "$disk" -name '*.incomplete' -size +300k)" ]; do sleep 0.05; done
      head -c 8m /dev/zero > "$disk/filler" 2> /dev/null
      wait $!; echo "code $?"
      rm "$disk/filler"; "$@" > /dev/null; echo "code $?"`);
    expect([...stdout.matchAll(/code (\d)/g)].map(([, code]) => code)).toEqual(['2', '0']);
    expect(stderr).toMatch(/^error: .*the disk is full/);
    const starts = hub.files.filter(({ path }) => path === WEIGHTS).map(({ from }) => from);
    expect(starts.at(-1)).toBeGreaterThan(300_000);
  }, 120_000);
});

describe('models fetched beforehand', () => {
  it('are there without a network, a tokenizer without weights', async () => {
    const { code, stdout, stderr } = await sdpo(
      ['fetch', 'org/policy', 'org/reference', '--tokenizer', '--json'],
      {
        environment,
      },
    );
    expect(code, stderr).toBe(0);
    const { models } = JSON.parse(stdout.trim().split('\n').at(-1)!) as { models: { directory: string }[] };
    expect(models).toMatchObject([
      { name: 'org/policy', repository: 'org/policy', commit: COMMIT },
      { name: 'org/reference', repository: 'org/reference', commit: COMMIT },
    ]);
    expect(await readdir(models[0]!.directory)).not.toContain(WEIGHTS);
    expect((await sdpo(['fetch', 'org/policy'], { environment })).stdout).toContain(
      `org/policy: commit ${COMMIT} in `,
    );
    await hub.close();
    const text = [
      'generate',
      '--model',
      'org/policy',
      '--prompt',
      'Two',
      '--max-new-tokens',
      '2',
      '--engine',
      'wasm',
    ];
    const offline = { ...environment, HF_HUB_OFFLINE: '1' };
    expect((await sdpo(text, { environment: offline })).code).toBe(0);
    const missing = await sdpo(['fetch', 'org/reference', '--offline'], { environment });
    expect([missing.code, missing.stderr]).toEqual([2, expect.stringContaining('without model.safetensors')]);
    const path = await sdpo(['fetch', './policy'], { environment });
    expect([path.code, path.stderr]).toEqual([2, expect.stringContaining('or no name of a model')]);
  }, 60_000);
});

describe('names and paths', () => {
  it('that are neither are told of as both', async () => {
    const { code, stderr } = await sdpo(scoreInto('/no/cache', 'models/polcy'), { environment });
    expect([code, stderr]).toEqual([
      2,
      expect.stringMatching(/^error: models\/polcy: there is no folder and, at 127/),
    ]);
    const silent = { ...environment, HF_ENDPOINT: 'http://127.0.0.1:9' };
    const offline = await sdpo(scoreInto('/no/cache', 'models/polcy', '--offline'), { environment: silent });
    expect([offline.code, offline.stderr]).toEqual([
      2,
      expect.stringContaining('no whole model in the cache'),
    ]);
    // Nothing that can only be a path is sent anywhere.
    const asked = hub.requests.length;
    expect((await sdpo(scoreInto('/no/cache', './models/polcy'), { environment })).code).toBe(2);
    expect(hub.requests.length).toBe(asked);
  });
});

describe('a policy by its name', () => {
  it('is trained, measured, asked, served to the inspector and swept', async () => {
    const folder = await freshFolder();
    const [cache, out, file] = [
      join(folder, 'cache'),
      join(folder, 'run'),
      join(folder, 'sweep', 'sweep.yaml'),
    ];
    const ok = async (...args: string[]) => {
      const outcome = await sdpo(args, { environment });
      expect(outcome.code, outcome.stderr).toBe(0);
      return outcome;
    };
    // A tokenizer by name needs no weights.
    await ok(...scoreInto(cache, REFERENCE, '--tokenizer', 'org/policy'));
    expect(hub.files.map(({ path }) => path)).not.toContain(WEIGHTS);
    const settings = ['engine=wasm', 'maxSteps=1', 'learningRate=1e-4'];
    await ok('train', '--policy', 'org/policy', '--cache', cache, '--out', out, ...settings);
    const byFolder = join(folder, 'by-folder');
    await ok('train', '--policy', POLICY, '--cache', cache, '--out', byFolder, ...settings);
    const weights = (run: string) => readFile(join(run, 'final', WEIGHTS));
    expect((await weights(out)).equals(await weights(byFolder))).toBe(true);
    const measured = await ok(
      'eval',
      'preferences',
      '--model',
      'org/policy',
      '--model',
      out,
      '--cache',
      cache,
      '--split',
      'all',
      'engine=wasm',
      '--json',
    );
    const last = JSON.parse(measured.stdout.trim().split('\n').at(-1)!) as { models: { model: string }[] };
    expect(last.models.map(({ model }) => model)).toEqual(['org/policy', 'run']);
    const words = ['--prompt', 'Two salads, please.', '--max-new-tokens', '4', '--engine', 'wasm'];
    const said = await ok('generate', '--model', 'org/policy', ...words);
    expect(said.stdout).toBe((await ok('generate', '--model', POLICY, ...words)).stdout);
    await ok('inspect', cache, '--pair', '0', '--policy', 'org/policy', 'engine=wasm');
    await mkdir(join(folder, 'sweep'));
    await writeFile(file, 'policy: org/policy\ncache: ../cache\nbase: { engine: wasm }\nseeds: [0]\n');
    const { stdout } = await ok('sweep', file, '--out', join(folder, 'swept'), '--print-commands');
    expect(stdout).toContain(join('models--org--policy', 'snapshots', COMMIT));
    await writeFile(file, 'policy: org/none\ncache: ../cache\nseeds: [0]\n');
    const refused = await sdpo(['sweep', file, '--out', join(folder, 'swept'), '--print-commands'], {
      environment,
    });
    expect([refused.code, refused.stderr]).toEqual([
      2,
      expect.stringContaining('sweep.yaml:1: field org/none: there is no folder'),
    ]);
    expect(hub.files.filter(({ path }) => path === WEIGHTS).length).toBe(1);
  }, 240_000);

  it('that is fetched for a text leaves standard output to the text', async () => {
    const args = ['generate', '--model', 'org/policy', '--prompt', 'Two salads, please.', '--engine', 'wasm'];
    const first = await sdpo(args, { environment });
    expect(first.stderr).toMatch(/^fetch org\/policy: .* of 1\.3 MB · 100% · .*\/s · 0s left$/m);
    expect(first.stdout).not.toContain('fetch');
    const { stdout, stderr } = await sdpo(args, { environment });
    expect([stdout, stderr.includes('fetch')]).toEqual([first.stdout, false]);
  });
});
