/** Sites of runs and sweeps, exports and single files. */
import { cp, mkdir, readFile, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { createHash } from 'node:crypto';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { FolderLock } from '@selective-dpo/foundation';
import { CacheReader } from '@selective-dpo/data';
import { CausalLM, openEngine } from '@selective-dpo/model';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { codesOf, refusalOf } from '../../trainer/test/refusal.js';
import { runWith, writeRunInputs, type RunInputs } from '../../trainer/test/small-run.js';
import { pairRows, writeCache as writeOtherCache } from '../../trainer/test/small-cache.js';
import {
  exportSite,
  inspectedKind,
  openCacheSite,
  openRunSite,
  openSite,
  openSweepSite,
  sampleSite,
  sampledRows,
  webPage,
  writeSingleFile,
  type RunSiteOptions,
  type Site,
} from '../src/index.js';
import type { Overview, SiteDescription, Vocabulary } from '../src/site-contract.js';
import { contentOf, type SiteFiles } from '../src/site/site-files.js';
import { DirectSiteData } from '../web/data/site-data.js';
import { policyLogps } from '../web/data/policy-table.js';
import { EmbeddedFiles } from '../web/files/site-files.js';
import { testFolder } from './small-cache.js';

const PAIRS = 60;
const folder = testFolder();
let inputs: RunInputs;
let run: string;

beforeAll(async () => {
  inputs = await writeRunInputs(PAIRS);
  ({ folder: run } = await runWith(inputs, { config: { maxSteps: 4, saveEvery: 2, evalFraction: 0.2 } }));
});

const siteOfRun = (change: Partial<RunSiteOptions> = {}) =>
  openRunSite(run, { cacheDirectory: inputs.cacheDirectory, sample: 12, engine: 'wasm', ...change });

async function jsonOf<T>(files: SiteFiles, path: string): Promise<T> {
  return JSON.parse(new TextDecoder().decode(await contentOf(files.get(path)!))) as T;
}

/** What the page reads of a site. */
async function pageOf({ files, description }: Site): Promise<DirectSiteData> {
  const embedded: Record<string, string> = {};
  for (const [path, file] of files) embedded[path] = Buffer.from(await contentOf(file)).toString('base64');
  return new DirectSiteData(new EmbeddedFiles(embedded), description.cache!);
}

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
    expect((await readdir(join(run, 'inspection'))).sort()).toEqual(
      ['final', 'initial', 'step-2'].flatMap((name) => [`${name}.json`, `${name}.parquet`]),
    );
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
    await siteOfRun();
    told.length = 0;
    const stored = join(run, 'inspection', 'step-2.parquet');
    const bytes = await readFile(stored);
    bytes[40]! ^= 1;
    await writeFile(stored, bytes);
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

async function smallPage(): Promise<SiteFiles> {
  const place = folder('small-page');
  await mkdir(join(place, 'assets'), { recursive: true });
  await writeFile(
    join(place, 'index.html'),
    '<!doctype html><html><head><link rel="icon" href="./assets/i.svg" type="image/svg+xml" />' +
      '<script type="module" crossorigin src="./assets/a.js"></script><link rel="stylesheet" crossorigin href="./assets/a.css">' +
      '</head><body></body></html>',
  );
  await writeFile(join(place, 'assets/a.js'), 'const t = "</script><!-- $&";');
  await writeFile(join(place, 'assets/a.css'), 'p { content: "</style>"; }');
  await writeFile(join(place, 'assets/i.svg'), '<svg/>');
  return webPage(place);
}

describe('an export', () => {
  it('holds every file of the site, and replaces nothing but an earlier one', async () => {
    const site = await openCacheSite(inputs.cacheDirectory, { tokenizerDirectory: inputs.policyDirectory });
    const page = await smallPage();
    const out = folder('export');
    await exportSite(site, page, out);
    const written = (await readdir(out, { recursive: true, withFileTypes: true })).filter((entry) =>
      entry.isFile(),
    );
    expect(written).toHaveLength(page.size + site.files.size);
    for (const [path, file] of site.files) {
      expect(await readFile(join(out, path))).toEqual(Buffer.from(await contentOf(file)));
    }
    await writeFile(join(out, 'assets', 'old.js'), '');
    await exportSite(site, page, out);
    expect(await readdir(join(out, 'assets'))).not.toContain('old.js');
    await writeFile(join(out, 'notes.txt'), 'mine');
    expect(codesOf(await refusalOf(() => exportSite(site, page, out)))).toEqual(['folder-in-use']);
    expect(await readFile(join(out, 'notes.txt'), 'utf8')).toBe('mine');
    await mkdir(folder('mine'));
    await writeFile(folder('mine/thesis.txt'), 'mine');
    expect(codesOf(await refusalOf(() => exportSite(site, page, folder('mine'))))).toEqual(['folder-in-use']);
    expect(await readFile(folder('mine/thesis.txt'), 'utf8')).toBe('mine');
  });

  it('copies no damaged shard', async () => {
    const cache = folder('damaged');
    await cp(inputs.cacheDirectory, cache, { recursive: true });
    const site = await openCacheSite(cache);
    const shard = join(cache, 'shards', 'shard-00000.parquet');
    const bytes = await readFile(shard);
    bytes[bytes.length >> 1]! ^= 1;
    await writeFile(shard, bytes);
    const problems = await refusalOf(async () =>
      exportSite(site, await smallPage(), folder('damaged-export')),
    );
    expect(codesOf(problems)).toEqual(['cache-damaged']);
    expect(await readdir(folder('.'))).not.toContain('damaged-export');
  });
});

describe('a single file', () => {
  const small = async (): Promise<Site> =>
    sampleSite(await siteOfRun({ sample: 6 }), inputs.cacheDirectory, 6, 5);

  it('has the sample that its policies were measured on, as the cache has it', async () => {
    const site = await small();
    const page = await pageOf(site);
    const rows = [...sampledRows(PAIRS, 6, 5)];
    const cache = await CacheReader.open(inputs.cacheDirectory);
    const table = await page.pairTable();
    expect([...table.pairIndex]).toEqual(rows);
    for (const index of rows) {
      const [row, shown] = [await cache.row(index), await page.pair(index)];
      expect([...shown.chosenIds]).toEqual([...row.chosenIds]);
      expect([...shown.rejectedRefLogps]).toEqual([...row.rejectedRefLogps]);
    }
    expect([...(await page.policy('data/policies/final.parquet')).pairIndex]).toEqual(rows);
    await cache.close();
    const whole = await jsonOf<Vocabulary>((await siteOfRun({ sample: 6 })).files, 'data/vocabulary.json');
    const { texts } = await jsonOf<Vocabulary>(site.files, 'data/vocabulary.json');
    expect(texts).toHaveLength(whole.texts.length);
    texts.forEach((text, id) => expect([whole.texts[id], '']).toContain(text));
  });

  it('of a cache has the pairs that the reference orders most wrongly', async () => {
    const site = await openCacheSite(inputs.cacheDirectory);
    const { description, files } = await sampleSite(site, inputs.cacheDirectory, 20, 0);
    const { reference } = await jsonOf<Overview>(files, description.cache!.overview);
    const held = description.cache!.shards.map(({ firstRow }) => firstRow);
    expect(held).toHaveLength(20);
    for (const { pairIndex } of reference.mostWrong.slice(0, 4)) expect(held).toContain(pairIndex);
  });

  it('allows its own script and styles alone, and nothing in it ends an element early', async () => {
    const path = folder('site.html');
    const site = await small();
    await writeSingleFile(site.files, await smallPage(), path);
    const html = await readFile(path, 'utf8');
    const policy = /Content-Security-Policy" content="([^"]+)"/.exec(html)![1]!;
    expect(policy).toContain("default-src 'none'");
    const parts = [/<script type="module">([\s\S]*?)<\/script>/, /<style>([\s\S]*?)<\/style>/];
    for (const part of parts) {
      const digest = createHash('sha256').update(part.exec(html)![1]!).digest('base64');
      expect(policy).toContain(`'sha256-${digest}'`);
    }
    expect(html.match(/<script/g)).toHaveLength(2);
    expect(html).toContain(String.raw`const t = "<\/script><\!-- $&";`);
    expect(html.match(/<\/script>/g)).toHaveLength(2);
    expect(html).not.toMatch(/(?:src|href)="\.\//);
    // Over an earlier page, and over nothing else.
    await writeSingleFile(site.files, await smallPage(), path);
    await mkdir(folder('web-project/shards-of-glass'), { recursive: true });
    await writeFile(folder('web-project/manifest.json'), '{}');
    await exportSite(site, await smallPage(), folder('web-project/site'));
    const manifest = join(folder('web-project'), 'manifest.json');
    const before = await readFile(manifest);
    const page = await smallPage();
    expect(codesOf(await refusalOf(() => writeSingleFile(site.files, page, manifest)))).toEqual([
      'file-in-use',
    ]);
    expect(await readFile(manifest)).toEqual(before);
    for (const name of ['new.html', 'manifest.json', 'shards/new.html']) {
      const inside = join(inputs.cacheDirectory, name);
      expect(codesOf(await refusalOf(() => writeSingleFile(site.files, page, inside)))).toEqual([
        'folder-in-use',
      ]);
    }
    expect(
      codesOf(await refusalOf(() => exportSite(site, page, join(inputs.cacheDirectory, 'site')))),
    ).toEqual(['folder-in-use']);
    const data = /id="site-files">([^<]*)<\/script>/.exec(html)![1]!;
    expect(Object.keys(JSON.parse(data) as object).sort()).toEqual([...site.files.keys()].sort());
  });
});
