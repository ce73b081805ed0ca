/** Sites of runs and sweeps. */
import { cp, mkdir, readFile, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { FolderLock, userCacheFolder } from '@selective-dpo/foundation';
import { CacheReader } from '@selective-dpo/data';
import { CausalLM, openEngine } from '@selective-dpo/model';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { codesOf, refusalOf } from '../../trainer/test/refusal.js';
import { runWith, type RunInputs } from '../../trainer/test/small-run.js';
import { pairRows, writeCache as writeOtherCache } from '../../trainer/test/small-cache.js';
import { inspectedKind, openRunSite, openSite, openSweepSite, sampledRows } from '../src/index.js';
import type { SiteDescription } from '../src/site-contract.js';
import { policyFolders } from '../src/run/policy-folders.js';
import { contentOf } from '../src/site/site-files.js';
import { policyLogps } from '../web/data/policy-table.js';
import { testFolder } from './small-cache.js';

import { PAIRS, jsonOf, pageOf, smallRun, type SmallRun } from './small-sites.js';

const folder = testFolder();
let inputs: RunInputs;
let run: string;
let siteOfRun: SmallRun['site'];

beforeAll(async () => {
  ({ inputs, run, site: siteOfRun } = await smallRun());
});

describe('a run', () => {
  it('has its metrics, and each policy’s log-probs on a sample as the model gives them', async () => {
    await openEngine('wasm');
    const before = tf.memory().numTensors;
    const site = await siteOfRun({ policyDirectory: inputs.policyDirectory });
    expect(tf.memory().numTensors).toBe(before);
    const { kind, run: described, cache } = site.description;
    expect([kind, described!.finished, cache!.rows]).toEqual(['run', true, PAIRS]);
    expect(described!.policies.map(({ name, step, pairs }) => [name, step, pairs])).toEqual([
      ['initial', 0, 12],
      ['step-2', 2, 12],
      // The checkpoint of step 4 is the same model.
      ['final', 4, 12],
    ]);
    expect((await readdir(join(run, 'inspection'))).filter((name) => name.startsWith('step-4'))).toEqual([]);
    const metrics = new TextDecoder().decode(await contentOf(site.files.get(described!.metrics)!));
    expect(metrics).toBe(await readFile(join(run, 'metrics.jsonl'), 'utf8'));
    const table = await (await pageOf(site)).policy('data/policies/step-2.parquet');
    expect([...table.pairIndex]).toEqual([...sampledRows(PAIRS, 12, 5)]);
    const cacheReader = await CacheReader.open(inputs.cacheDirectory);
    const model = await CausalLM.load(join(run, 'checkpoints', 'step-2'));
    for (const [at, index] of table.pairIndex.entries()) {
      const { promptIds, chosenIds, rejectedIds } = await cacheReader.row(index);
      const [logps] = await model.logps([{ prompt: promptIds, responses: [chosenIds, rejectedIds] }]);
      const { chosen, rejected } = policyLogps(table, at);
      logps![0]!.forEach((logp, t) => expect(chosen[t]).toBeCloseTo(logp, 4));
      logps![1]!.forEach((logp, t) => expect(rejected[t]).toBeCloseTo(logp, 4));
    }
    model.dispose();
    await cacheReader.close();
  });

  it('computes nothing again that fits, and everything that does not', async () => {
    const told: string[] = [];
    const listener = (event: { type: string; stage?: string }) => void told.push(event.stage ?? '');
    await siteOfRun({ listener });
    expect(told).toEqual([]);
    await siteOfRun({ listener, sample: 7 });
    expect([...new Set(told)]).toEqual(['step-2', 'final']);
    told.length = 0;
    // Another sample's files have names of their own.
    await siteOfRun({ listener });
    expect(told).toEqual([]);
    for (const name of await readdir(join(run, 'inspection'))) {
      if (!/^step-2-.*parquet$/.test(name)) continue;
      const stored = join(run, 'inspection', name);
      const bytes = await readFile(stored);
      bytes[40]! ^= 1;
      await writeFile(stored, bytes);
    }
    await siteOfRun({ listener });
    expect([...new Set(told)]).toEqual(['step-2']);
  });

  it('has a checkpoint of the last step whose weights are others (control)', async () => {
    const { folder: other } = await runWith(inputs, { config: { maxSteps: 4, saveEvery: 2, seed: 9 } });
    await cp(join(other, 'checkpoints', 'step-2'), join(other, 'checkpoints', 'step-4'), { recursive: true });
    const { description } = await openRunSite(other, {
      ...{ cacheDirectory: inputs.cacheDirectory, sample: 4, engine: 'wasm' },
    });
    expect(description.run!.policies.map(({ name }) => name)).toEqual(['step-2', 'step-4', 'final']);
  });

  it('that cannot be written to has its log-probs with the user’s caches', async () => {
    const own = join(run, 'inspection');
    expect(await policyFolders(run)).toEqual({ read: [own], write: own });
    const { read, write } = await policyFolders(run, () => Promise.resolve(false));
    expect(read).toEqual([own, write]);
    expect(write.startsWith(userCacheFolder())).toBe(true);
    const other = await policyFolders(inputs.cacheDirectory, () => Promise.resolve(false));
    expect(other.write).not.toBe(write);
  });

  it('leaves out a checkpoint that goes meanwhile, and says so', async () => {
    const { folder: other } = await runWith(inputs, { config: { maxSteps: 4, saveEvery: 2, seed: 8 } });
    const told: string[] = [];
    const { description } = await openRunSite(other, {
      ...{ cacheDirectory: inputs.cacheDirectory, sample: 4, engine: 'wasm' },
      listener: (event) => {
        if (event.type === 'notice') told.push(event.code);
        else rmSync(join(other, 'checkpoints', 'step-4'), { recursive: true, force: true });
      },
    });
    expect(told).toEqual(['checkpoint-gone']);
    expect(description.run!.policies.map(({ name }) => name)).toEqual(['step-2', 'final']);
  });

  it('is refused a policy that is not there', async () => {
    const problems = await refusalOf(() => siteOfRun({ policyDirectory: folder('no-policy') }));
    expect(codesOf(problems)).toEqual(['file-not-found']);
  });

  it('prefers pairs that were held out, and takes all where there are no more', () => {
    expect(sampledRows(5, 9, 1)).toEqual(Uint32Array.of(0, 1, 2, 3, 4));
    expect(sampledRows(100, 10, 3)).toHaveLength(10);
    expect(sampledRows(100, 10, 3)).not.toEqual(sampledRows(100, 10, 4));
  });

  it('without its cache has metrics alone, and is refused another', async () => {
    const { description, files } = await openRunSite(run, { sample: 4 });
    expect(description.cache).toBeUndefined();
    expect(description.run!.policies).toEqual([]);
    expect([...files.keys()].sort()).toEqual(['data/run/metrics.jsonl', 'data/site.json']);
    const other = await writeOtherCache(inputs.policyDirectory, pairRows(9, 4));
    expect(codesOf(await refusalOf(() => siteOfRun({ cacheDirectory: other })))).toEqual(['cache-differs']);
  });

  it('that has not begun to write has no lines, and a link in its place is not followed', async () => {
    const young = folder('young');
    await mkdir(young);
    await cp(join(run, 'run.json'), join(young, 'run.json'));
    const { files, description } = await openRunSite(young, { sample: 4 });
    expect(description.run!.finished).toBe(false);
    expect(await contentOf(files.get('data/run/metrics.jsonl')!)).toHaveLength(0);
    await writeFile(folder('secret'), 'secret');
    await symlink(folder('secret'), join(young, 'metrics.jsonl'));
    await expect(contentOf(files.get('data/run/metrics.jsonl')!)).rejects.toThrow('not a regular file');
    await symlink(folder('elsewhere'), join(young, 'inspection'));
    const options = { cacheDirectory: inputs.cacheDirectory, sample: 4 };
    expect(codesOf(await refusalOf(() => openRunSite(young, options)))).toEqual(['not-a-folder']);
  });
});

describe('a sweep', () => {
  it('has every run with its name, its state and the keys that differ', async () => {
    const sweep = folder('sweep');
    await mkdir(join(sweep, 'runs'), { recursive: true });
    for (const [name, keep] of [
      ['keep=0.2-0123abcd', 0.2],
      ['keep=0.4-89ab4567', 0.4],
    ] as const) {
      const { folder: made } = await runWith(inputs, { config: { maxSteps: 2, keep } });
      await cp(made, join(sweep, 'runs', name), { recursive: true });
    }
    await rm(join(sweep, 'runs', 'keep=0.4-89ab4567', 'final'), { recursive: true });
    await mkdir(join(sweep, 'runs', 'not-begun-00000000'));
    expect(await inspectedKind(sweep)).toBe('sweep');
    const { files, description } = await openSweepSite(sweep);
    expect(description.sweep!.keys).toEqual(['keep']);
    expect(description.sweep!.runs.map(({ name, state, config }) => [name, state, config['keep']])).toEqual([
      ['keep=0.2', 'finished', 0.2],
      ['keep=0.4', 'stopped', 0.4],
    ]);
    for (const { metrics } of description.sweep!.runs) {
      expect(new TextDecoder().decode(await contentOf(files.get(metrics)!))).toContain('"split":"train"');
    }
    // Made anew at every request: the run ends meanwhile.
    await cp(
      join(sweep, 'runs', 'keep=0.2-0123abcd', 'final'),
      join(sweep, 'runs', 'keep=0.4-89ab4567', 'final'),
      {
        recursive: true,
      },
    );
    const now = await jsonOf<SiteDescription>(files, 'data/site.json');
    expect(now.sweep!.runs.map(({ state }) => state)).toEqual(['finished', 'finished']);
  });

  it('tells runs that train, failed, stopped and are to come apart', async () => {
    const sweep = folder('standing');
    const place = (name: string) => join(sweep, 'runs', name);
    await mkdir(join(sweep, 'runs'), { recursive: true });
    const { folder: made } = await runWith(inputs, { config: { maxSteps: 2, keep: 0.3 } });
    for (const name of ['a-00000001', 'b-00000002', 'c-00000003']) {
      await cp(made, place(name), { recursive: true });
      await rm(join(place(name), 'final'), { recursive: true });
    }
    await writeFile(
      join(sweep, 'results.csv'),
      [
        'name,key,seed,keep,cache,run,status,steps',
        ...[
          'a,00000001,5,0.3,self,x,failed,',
          'b,00000002,5,0.3,self,x,missing,',
          'c,00000003,5,0.3,self,x,failed,',
        ],
        ...[
          'd,00000004,6,0.3,self,x,missing,',
          'd,00000004,6,0.3,self,x,missing,',
          'b,00000005,7,0.3,self,x,failed,\n',
        ],
      ].join('\n'),
    );
    const lock = await FolderLock.acquire(place('c-00000003'), { code: 'run-busy', what: 'run' });
    const { files, description } = await openSweepSite(sweep);
    const standing = ({ sweep: seen }: SiteDescription) =>
      seen!.runs.map(({ name, state }) => `${name} ${state}`);
    expect(standing(description)).toEqual([
      'a failed',
      'b stopped',
      'c running',
      'd waiting',
      'b-00000005 failed',
    ]);
    // What is to come is of other seeds, and nothing more is known of it.
    expect(description.sweep!.keys).toEqual(['seed']);
    expect(description.sweep!.runs[3]!.config).toEqual({ seed: 6, keep: 0.3 });
    const { metrics } = description.sweep!.runs[3]!;
    expect(await contentOf(files.get(metrics)!)).toHaveLength(0);
    await lock.release();
    await cp(place('a-00000001'), place('d-00000004'), { recursive: true });
    await cp(join(made, 'final'), join(place('d-00000004'), 'final'), { recursive: true });
    const now = await jsonOf<SiteDescription>(files, 'data/site.json');
    expect(standing(now)).toEqual(['a failed', 'b stopped', 'c failed', 'd finished', 'b-00000005 failed']);
    expect(now.sweep!.runs[3]!.metrics).toBe(metrics);
    expect(new TextDecoder().decode(await contentOf(files.get(metrics)!))).toContain('"split":"train"');
  });

  it('without runs, and a folder of nothing known, are refused', async () => {
    await mkdir(folder('empty/runs'), { recursive: true });
    expect(codesOf(await refusalOf(() => openSite(folder('empty'), { sample: 1 })))).toEqual(['no-runs']);
    await mkdir(folder('nothing'));
    expect(codesOf(await refusalOf(() => openSite(folder('nothing'), { sample: 1 })))).toEqual([
      'nothing-to-inspect',
    ]);
    expect(codesOf(await refusalOf(() => openSite(folder('absent'), { sample: 1 })))).toEqual([
      'file-not-found',
    ]);
  });
});
