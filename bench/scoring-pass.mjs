/**
 * How fast and how large stage one is on this machine, for any reference and dataset, and where its time goes.
 *
 *   npm run build
 *   node bench/scoring-pass.mjs --model DIR --data FILE [--limit N] [--max-length 512] [--batch-tokens N]
 *        [--rows-per-shard N] [--engine tensorflow] [--precision fp32] [--out CACHE] [--matmul]
 *
 * Prints one JSON line. `seconds.scoring` runs from the moment the model is loaded to the published manifest: reading,
 * tokenising, the model and the shards. Tokens are counted as a plain evaluation sees them, prompt + response of both
 * answers; `packedTokens` has each prompt once.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { parseArgs } from 'node:util';
import { CacheReader, CacheWriter } from '@selective-dpo/data';
import { CausalLM } from '@selective-dpo/model';
import { scoreDataset } from '@selective-dpo/ref-scorer';
import { matmulGflops, trunkParameters } from './trunk-flops.mjs';

const { values } = parseArgs({
  options: {
    model: { type: 'string' },
    data: { type: 'string' },
    limit: { type: 'string' },
    'max-length': { type: 'string', default: '512' },
    'batch-tokens': { type: 'string' },
    'rows-per-shard': { type: 'string' },
    engine: { type: 'string', default: 'tensorflow' },
    precision: { type: 'string', default: 'fp32' },
    out: { type: 'string' },
    matmul: { type: 'boolean', default: false },
  },
});
if (!values.model || !values.data) {
  console.log('node bench/scoring-pass.mjs --model DIR --data FILE …, see the head of the file');
  process.exit(2);
}
const count = (name) => (values[name] === undefined ? undefined : Number(values[name]));

/** Milliseconds spent in a method, by name. */
const spent = { load: 0, logps: 0, publishShard: 0 };
let [loadedAt, cpuAtLoad] = [0, process.cpuUsage()];
function watch(owner, name) {
  const method = owner[name];
  owner[name] = async function (...args) {
    const began = performance.now();
    try {
      return await method.apply(this, args);
    } finally {
      spent[name] += performance.now() - began;
      if (name === 'load') [loadedAt, cpuAtLoad] = [performance.now(), process.cpuUsage()];
    }
  };
}
watch(CausalLM, 'load');
watch(CausalLM.prototype, 'logps');
watch(CacheWriter.prototype, 'publishShard');

const folder = mkdtempSync(join(tmpdir(), 'sdpo-bench-'));
const out = values.out ?? join(folder, 'cache');
try {
  const began = performance.now();
  await scoreDataset({
    ...{ modelDirectory: values.model, dataFile: values.data, outDirectory: out, limit: count('limit') },
    ...{ engine: values.engine, precision: values.precision, limits: { maxLength: count('max-length') } },
    ...{ batchTokens: count('batch-tokens'), rowsPerShard: count('rows-per-shard') },
  });
  const ended = performance.now();
  const { user, system } = process.cpuUsage(cpuAtLoad);
  const { maxRSS } = process.resourceUsage();
  const tokens = await countTokens(out);
  const scoring = (ended - loadedAt) / 1000;
  const seconds = {
    ...{ scoring, total: (ended - began) / 1000, load: spent.load / 1000 },
    ...{ model: spent.logps / 1000, publish: spent.publishShard / 1000 },
    rest: scoring - (spent.logps + spent.publishShard) / 1000,
  };
  const trunkGflops = (2 * (await trunkParameters(values.model)) * tokens.packedTokens) / seconds.model / 1e9;
  const matmul = values.matmul ? await matmulGflops(values.engine) : undefined;
  console.log(
    JSON.stringify({
      ...tokens,
      ...{ seconds, tokensPerSecond: tokens.tokens / scoring },
      ...{
        responseTokensPerSecond: tokens.responseTokens / scoring,
        outsideModel: 1 - seconds.model / scoring,
      },
      processorSeconds: (user + system) / 1e6,
      ...{ trunkGflops, matmulGflops: matmul, peakRssMb: maxRSS / 1024 },
    }),
  );
} finally {
  rmSync(folder, { recursive: true });
}

async function countTokens(directory) {
  const cache = await CacheReader.open(directory);
  try {
    const sums = { pairs: cache.rowCount, tokens: 0, responseTokens: 0, packedTokens: 0 };
    for (let i = 0; i < cache.rowCount; i++) {
      const { promptIds, chosenIds, rejectedIds } = await cache.row(i);
      const response = chosenIds.length + rejectedIds.length;
      sums.tokens += 2 * promptIds.length + response;
      sums.responseTokens += response;
      sums.packedTokens += promptIds.length + response;
    }
    return sums;
  } finally {
    await cache.close();
  }
}
