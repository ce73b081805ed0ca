/** hh-rlhf scored by two real models: stories260K-dpo as the reference, stories260K as a policy. */
import { mkdtempSync, existsSync } from 'node:fs';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';
import { CacheReader, loadPairTokenizer, type CacheRow } from '@selective-dpo/data';
import { scoreDataset } from '@selective-dpo/ref-scorer';
import { openPolicy } from '@selective-dpo/trainer';
import { madeSite, type Files, type MadePair } from './made-site.js';

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

/** Scores the first rows of the dataset. */
export async function realSite(rows: number): Promise<RealSite> {
  const work = mkdtempSync(join(tmpdir(), 'sdpo-inspector-'));
  try {
    const text = gunzipSync(
      await readFile(`${folder}/data/preferences/hh-rlhf/harmless-base-test.jsonl.gz`),
    ).toString();
    const dataFile = join(work, 'hh.jsonl');
    await writeFile(dataFile, text.split('\n').slice(0, rows).join('\n'));
    let ends: ((id: number) => boolean) | undefined;
    const score = async (model: string): Promise<CacheRow[]> => {
      const directory = join(work, model);
      await scoreDataset({
        ...{
          modelDirectory: `${folder}/data/models/${model}`,
          dataFile,
          outDirectory: directory,
          engine: 'wasm',
        },
        limits: { maxLength: 512 },
      });
      const reader = await CacheReader.open(directory);
      const all: CacheRow[] = [];
      for (let row = 0; row < reader.manifest.rows; row++) all.push(await reader.row(row));
      const policy = await openPolicy(`${folder}/data/models/stories260K`, reader, directory);
      ends = (id) => policy.endsSentence(id);
      await reader.close();
      return all;
    };
    const [reference, policy] = [await score('stories260K-dpo'), await score('stories260K')];
    return await siteOf(reference, policy, ends!);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

async function siteOf(
  reference: readonly CacheRow[],
  policy: readonly CacheRow[],
  endsSentence: (id: number) => boolean,
): Promise<RealSite> {
  const tokenizer = await loadPairTokenizer(`${folder}/data/models/stories260K`);
  const pairs = reference.map((row): MadePair => ({
    ...{
      pairId: row.pairId,
      promptIds: [...row.promptIds],
      chosenIds: [...row.chosenIds],
      rejectedIds: [...row.rejectedIds],
    },
    ...{ chosenRefLogps: [...row.chosenRefLogps], rejectedRefLogps: [...row.rejectedRefLogps] },
    opening: tokenizer.decode(row.promptIds).slice(-160),
  }));
  type Logps = readonly [number[], number[]];
  const logps = new Map(
    policy.map(({ chosenRefLogps, rejectedRefLogps }, index): [number, Logps] => [
      index,
      [[...chosenRefLogps], [...rejectedRefLogps]],
    ]),
  );
  const texts = Array.from({ length: tokenizer.vocabularySize }, (_, id) => tokenizer.tokenText(id));
  const vocabulary = { texts, special: [0, 1, 2], sentenceEnds: [...texts.keys()].filter(endsSentence) };
  const moved = new Map(
    [...logps].map(([pair, [chosen, rejected]]): [number, Logps] => {
      const { chosenRefLogps, rejectedRefLogps } = reference[pair]!;
      return [pair, [chosen.map(halfway(chosenRefLogps)), rejected.map(halfway(rejectedRefLogps))]];
    }),
  );
  const policies = [
    { name: 'initial', step: 0, logps },
    { name: 'final', step: 20, logps: moved },
  ];
  return {
    files: await madeSite({ pairs, vocabulary, policies, title: 'hh-rlhf by stories260K-dpo' }),
    pairs,
    policy: moved,
    endsSentence,
  };
}

/** As if the policy had come half the way to the reference, on two of three tokens. */
function halfway(reference: Float32Array) {
  return (logp: number, t: number) => (t % 3 === 0 ? logp : Math.fround((logp + reference[t]!) / 2));
}
