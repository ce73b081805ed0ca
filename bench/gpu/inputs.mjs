/** Caches, and their pairs as torch_step.py reads them. */
import { writeFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { CacheReader, CacheWriter, DROPPED_FILE, loadPairTokenizer } from '@selective-dpo/data';
import { SYNTHETIC_INPUTS, VOCABULARY, syntheticShard } from '../synthetic-cache.mjs';

/** What a model of random weights gives about any token: losses then are near ln 2, and no gradient vanishes. */
const evenLogps = (ids) => new Float32Array(ids.length).fill(-Math.log(VOCABULARY));

/** A cache of `pairs` (at most a shard) random rows that a policy with this tokenizer takes. */
export async function writeRandomCache(directory, pairs, tokenizerDirectory) {
  const own = (await loadPairTokenizer(tokenizerDirectory)).fingerprint();
  const tokenizer = {
    ...SYNTHETIC_INPUTS.tokenizer,
    tokenizer: own.tokenizer,
    chatTemplate: own.chatTemplate,
  };
  const writer = await CacheWriter.open(directory, { ...SYNTHETIC_INPUTS, tokenizer });
  try {
    const rows = syntheticShard(0, pairs).map((row) => ({
      ...row,
      chosenRefLogps: evenLogps(row.chosenIds),
      rejectedRefLogps: evenLogps(row.rejectedIds),
    }));
    await writer.publishShard(rows);
    await writeFile(join(directory, DROPPED_FILE), '');
    await writer.finish({});
  } finally {
    await writer.close();
  }
}

/** @returns the reference's log-probs of every pair, chosen tokens then rejected ones. */
export async function writePairsForTorch(file, directory, pairs) {
  const cache = await CacheReader.open(directory);
  const sum = (list) => list.reduce((total, value) => total + value, 0);
  const rows = [];
  for (let i = 0; i < pairs; i++) rows.push(await cache.row(i));
  await cache.close();
  const asJson = rows.map((row) => ({
    prompt: [...row.promptIds],
    chosen: [...row.chosenIds],
    rejected: [...row.rejectedIds],
    refChosen: sum([...row.chosenRefLogps]),
    refRejected: sum([...row.rejectedRefLogps]),
  }));
  writeFileSync(file, JSON.stringify(asJson));
  return rows.map(({ chosenRefLogps, rejectedRefLogps }) => [...chosenRefLogps, ...rejectedRefLogps]);
}
