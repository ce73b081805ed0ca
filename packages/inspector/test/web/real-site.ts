/** hh-rlhf scored by two real models: stories260K-dpo as the reference, stories260K as a policy. */
import { mkdtempSync, existsSync } from 'node:fs';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';
import { CacheReader, type CacheRow } from '@selective-dpo/data';
import { scoreDataset } from '@selective-dpo/ref-scorer';
import type { SiteDescription, Vocabulary } from '../../src/site-contract.js';
import { openCacheSite } from '../../src/site/open-cache.js';
import { contentOf } from '../../src/site/site-files.js';
import { json, madeSite, type Files, type MadePair } from './made-site.js';

const folder =
  process.env['SELECTIVE_DPO_SHARED'] ?? fileURLToPath(new URL('../../../../../shared', import.meta.url));
const required = (process.env['SELECTIVE_DPO_REQUIRE'] ?? '').split(',').includes('shared');

/** Why tests on real data are skipped; undefined where they run. */
export const withoutShared: string | undefined =
  existsSync(`${folder}/data`) || required ? undefined : `no real data at ${folder}`;

export interface RealSite {
  files: Files;
  pairs: readonly MadePair[];
  /** Log-probs of the policy [chosen, rejected] by pair. */
  policy: ReadonlyMap<number, readonly [number[], number[]]>;
  endsSentence: (id: number) => boolean;
}

const TOKENIZER = `${folder}/data/models/stories260K`;

/** Scores the first rows of the dataset, and derives of the cache what sdpo inspect does. */
export async function realSite(rows: number): Promise<RealSite> {
  const work = mkdtempSync(join(tmpdir(), 'sdpo-inspector-'));
  const userCache = process.env['XDG_CACHE_HOME'];
  process.env['XDG_CACHE_HOME'] = join(work, 'user-cache');
  try {
    const packed = await readFile(`${folder}/data/preferences/hh-rlhf/harmless-base-test.jsonl.gz`);
    const dataFile = join(work, 'hh.jsonl');
    await writeFile(dataFile, gunzipSync(packed).toString().split('\n').slice(0, rows).join('\n'));
    const score = async (model: string): Promise<CacheRow[]> => {
      const outDirectory = join(work, model);
      const modelDirectory = `${folder}/data/models/${model}`;
      await scoreDataset({
        modelDirectory,
        dataFile,
        outDirectory,
        engine: 'wasm',
        limits: { maxLength: 512 },
      });
      return rowsOf(outDirectory);
    };
    const [reference, policy] = [await score('stories260K-dpo'), await score('stories260K')];
    const { description, files } = await openCacheSite(join(work, 'stories260K-dpo'), {
      tokenizerDirectory: TOKENIZER,
    });
    const real: Files = new Map();
    for (const [path, file] of files) real.set(path, await contentOf(file));
    return await asRun(description, real, reference, policy);
  } finally {
    if (userCache === undefined) delete process.env['XDG_CACHE_HOME'];
    else process.env['XDG_CACHE_HOME'] = userCache;
    await rm(work, { recursive: true, force: true });
  }
}

async function rowsOf(directory: string): Promise<CacheRow[]> {
  const reader = await CacheReader.open(directory);
  const all: CacheRow[] = [];
  for (let row = 0; row < reader.manifest.rows; row++) all.push(await reader.row(row));
  await reader.close();
  return all;
}

type Logps = readonly [number[], number[]];

/** The site of a cache with two checkpoints of a policy. */
async function asRun(
  description: SiteDescription,
  files: Files,
  reference: readonly CacheRow[],
  policy: readonly CacheRow[],
): Promise<RealSite> {
  const pairs = reference.map((row): MadePair => ({
    ...{
      pairId: row.pairId,
      promptIds: [...row.promptIds],
      chosenIds: [...row.chosenIds],
      rejectedIds: [...row.rejectedIds],
    },
    ...{ chosenRefLogps: [...row.chosenRefLogps], rejectedRefLogps: [...row.rejectedRefLogps] },
  }));
  const initial = new Map(
    policy.map(({ chosenRefLogps, rejectedRefLogps }, index): [number, Logps] => [
      index,
      [[...chosenRefLogps], [...rejectedRefLogps]],
    ]),
  );
  const final = new Map(
    [...initial].map(([pair, [chosen, rejected]]): [number, Logps] => {
      const { chosenRefLogps, rejectedRefLogps } = reference[pair]!;
      return [pair, [chosen.map(halfway(chosenRefLogps)), rejected.map(halfway(rejectedRefLogps))]];
    }),
  );
  const metrics = [1, 2, 3].map((step) => `{"split":"train","step":${step},"loss":${1 / step}}\n`).join('');
  const policies = [
    { name: 'initial', step: 0, logps: initial },
    { name: 'final', step: 20, logps: final },
  ];
  // The run's part alone is made up: cache, figures, texts and vocabulary are those of sdpo inspect.
  const run = await madeSite({ pairs, policies, metrics });
  const runDescription = JSON.parse(new TextDecoder().decode(run.get('data/site.json'))) as SiteDescription;
  for (const [path, bytes] of run) if (/^data\/(?:run|policies)\//.test(path)) files.set(path, bytes);
  files.set('data/site.json', json({ ...runDescription, title: 'hh-rlhf', cache: description.cache }));
  const { sentenceEnds } = JSON.parse(
    new TextDecoder().decode(files.get('data/vocabulary.json')),
  ) as Vocabulary;
  return { files, pairs, policy: final, endsSentence: (id) => sentenceEnds.includes(id) };
}

/** As if the policy had come half the way to the reference, on two of three tokens. */
function halfway(reference: Float32Array) {
  return (logp: number, t: number) => (t % 3 === 0 ? logp : Math.fround((logp + reference[t]!) / 2));
}
