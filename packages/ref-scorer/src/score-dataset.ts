/**
 * Stage one from top to bottom: read rows, tokenise them once, ask the reference for the log-prob of every response
 * token, publish shards. Stopped at any moment, the next call goes on after the last published shard.
 */
import { join } from 'node:path';
import { InputError, sha256OfFile, type ProgressListener } from '@selective-dpo/foundation';
import {
  CACHE_SCHEMA_VERSION,
  CacheWriter,
  WorkerPart,
  beginWorkers,
  MAX_TOP_LOGPROBS,
  isDroppedRow,
  loadPairTokenizer,
  openPreferenceSource,
  resolveLimits,
  templateInstantOf,
  type CacheInputs,
  type CacheManifest,
  type LengthLimits,
  type PairTokenizer,
  type PreferenceLayout,
  type PreferenceSource,
  type WorkerIndex,
} from '@selective-dpo/data';
import {
  CONFIG_FILE,
  CausalLM,
  openEngine,
  weightsDigest,
  readModelConfig,
  type EngineName,
  type EnginePrecision,
  type ModelConfig,
} from '@selective-dpo/model';
import { batchTokensWithin } from './batch-tokens.js';
import { LocalScorer } from './local-scorer.js';
import { ReusingScorer } from './reusing-scorer.js';
import type { Scorer } from './scorer.js';
import { ScoringPass, type ShardTaker, type SourceEnding } from './scoring-pass.js';
import { TOOL_VERSION } from './tool-version.js';

export interface ScoreOptions {
  /** Hugging Face directory of the reference. */
  modelDirectory: string;
  /** Preference file. */
  dataFile: string;
  /** Folder of the cache. */
  outDirectory: string;
  /** Directory with the policy's tokenizer and chat template; the reference's own by default. */
  tokenizerDirectory?: string | undefined;
  /** Text of a Jinja chat template in place of the tokenizer's own. */
  chatTemplate?: string | undefined;
  layout?: 'auto' | PreferenceLayout | undefined;
  /** First rows of the file only. */
  limit?: number | undefined;
  limits?: LengthLimits | undefined;
  engine?: 'auto' | EngineName | undefined;
  precision?: EnginePrecision | undefined;
  /** Tokens computed at one time. */
  batchTokens?: number | undefined;
  /** Bytes the process may take: `batchTokens` is halved until a batch fits. */
  memoryLimit?: number | undefined;
  /** Likeliest tokens to keep in the place of each response token, for distillation. */
  topLogprobs?: number | undefined;
  /** Pairs in a shard: what a stopped pass loses at most. */
  rowsPerShard?: number | undefined;
  /** Scores the shards of one of several workers alone; `sdpo cache merge` then closes the cache. */
  worker?: WorkerIndex | undefined;
  /** A finished cache of an earlier state of the dataset: shards whose pairs are all the same are taken from it. */
  reuseDirectory?: string | undefined;
  listener?: ProgressListener | undefined;
  /** Stops after the batch in progress. */
  signal?: AbortSignal | undefined;
}

export interface ScoreResult {
  directory: string;
  /** The cache was there already, made of the same inputs. */
  alreadyComplete: boolean;
  pairs: number;
  shards: number;
  dropped: Partial<Record<string, number>>;
  /** Of a worker: shards that it published now. The cache is not closed yet. */
  publishedShards?: number;
  /** Pairs whose log-probs an earlier cache gave. */
  reusedPairs?: number;
}

export const DEFAULT_ROWS_PER_SHARD = 512;

/**
 * Scores a preference dataset into a cache.
 * @throws InputError, InputErrors for bad input; Interrupted when `signal` stopped it.
 */
export async function scoreDataset(options: ScoreOptions): Promise<ScoreResult> {
  const { rowsPerShard = DEFAULT_ROWS_PER_SHARD, outDirectory } = options;
  const source = await openPreferenceSource(options.dataFile, {
    layout: options.layout,
    limit: options.limit,
  });
  const tokenizer = await loadPairTokenizer(options.tokenizerDirectory ?? options.modelDirectory, {
    chatTemplate: options.chatTemplate,
    now: () => templateInstant(options),
  });
  const config = await readModelConfig(options.modelDirectory);
  refuseTooMany(options.topLogprobs, config);
  await tellNotices(options, source, tokenizer);
  const engine = await openEngine(options.engine ?? 'auto', { precision: options.precision ?? 'fp32' });
  const batchTokens = batchTokensWithin(options, config, engine);
  const identity = LocalScorer.identityOf(engine, batchTokens);
  const inputs = await cacheInputs(options, source, tokenizer, identity, rowsPerShard);
  const writer = await openShards(outDirectory, inputs, options.worker);
  try {
    if (writer.complete !== undefined) return resultOf(outDirectory, writer.complete, true);
    const scorer = new LocalScorer(
      await CausalLM.load(options.modelDirectory),
      engine,
      batchTokens,
      options.topLogprobs,
    );
    try {
      const reusing = await reusingScorer(scorer, options, inputs);
      const from = reusing ?? scorer;
      const pass = new ScoringPass(options, source, tokenizer, from, writer.taker, rowsPerShard, config);
      try {
        const result = await writer.finish(await pass.run());
        return reusing === undefined ? result : { ...result, reusedPairs: reusing.reused };
      } finally {
        await reusing?.close();
      }
    } finally {
      scorer.dispose();
    }
  } finally {
    await writer.close();
  }
}

/** The clock of a chat template that reads one: that of the cache which is gone on with or taken from, or now; one for all workers. */
async function templateInstant({ outDirectory, reuseDirectory, worker }: ScoreOptions): Promise<Date> {
  const begun = await templateInstantOf(outDirectory);
  if (begun !== undefined) return begun;
  const earlier = reuseDirectory === undefined ? undefined : await templateInstantOf(reuseDirectory);
  const instant = earlier ?? new Date();
  return worker === undefined ? instant : beginWorkers(outDirectory, worker.count, instant);
}

async function reusingScorer(
  scorer: Scorer,
  { reuseDirectory }: ScoreOptions,
  inputs: CacheInputs,
): Promise<ReusingScorer | undefined> {
  return reuseDirectory === undefined ? undefined : ReusingScorer.open(scorer, reuseDirectory, inputs);
}

/** @throws InputError `option-value`. */
function refuseTooMany(topLogprobs: number | undefined, { vocabSize }: ModelConfig): void {
  const most = Math.min(MAX_TOP_LOGPROBS, vocabSize);
  if (topLogprobs === undefined || topLogprobs <= most) return;
  throw new InputError('option-value', 'more likely tokens are asked for than a cache keeps', {
    field: '--top-logprobs',
    found: String(topLogprobs),
    expected: `at most ${most}${most === vocabSize ? ', the reference’s vocabulary' : ''}`,
  });
}

/** What a pass fills: a whole cache, or one worker's part of it. */
interface OpenedShards {
  complete: CacheManifest | undefined;
  taker: ShardTaker;
  finish(ending: SourceEnding): Promise<ScoreResult>;
  close(): Promise<void>;
}

async function openShards(
  directory: string,
  inputs: CacheInputs,
  worker: WorkerIndex | undefined,
): Promise<OpenedShards> {
  if (worker !== undefined) return openPart(directory, inputs, worker);
  const writer = await CacheWriter.open(directory, inputs);
  return {
    complete: writer.complete,
    taker: {
      resumeFrom: writer.resumeFrom,
      wants: () => Promise.resolve(true),
      publishShard: (_, rows) => writer.publishShard(rows),
    },
    finish: async ({ dropped }) => resultOf(directory, await writer.finish(dropped), false),
    close: () => writer.close(),
  };
}

async function openPart(directory: string, inputs: CacheInputs, worker: WorkerIndex): Promise<OpenedShards> {
  const part = await WorkerPart.open(directory, inputs, worker);
  return {
    complete: part.complete,
    taker: {
      resumeFrom: { shards: 0, rows: 0 },
      wants: (index) => part.wants(index),
      publishShard: (index, rows) => part.publishShard(index, rows),
    },
    finish: async ({ pairs, dropped }) => {
      await part.finish(pairs, dropped);
      const shards = Math.ceil(pairs / inputs.rowsPerShard);
      return { directory, alreadyComplete: false, pairs, shards, dropped, publishedShards: part.shards };
    },
    close: () => Promise.resolve(),
  };
}

function resultOf(directory: string, manifest: CacheManifest, alreadyComplete: boolean): ScoreResult {
  const { rows: pairs, shards, dropped } = manifest;
  return { directory, alreadyComplete, pairs, shards: shards.length, dropped };
}

async function tellNotices(
  options: ScoreOptions,
  source: PreferenceSource,
  tokenizer: PairTokenizer,
): Promise<void> {
  const tell = (code: string, message: string) => options.listener?.({ type: 'notice', code, message });
  tell('layout', `${options.dataFile}: layout ${source.layout}`);
  if (tokenizer.notices.length > 0 && (await beginsWithConversation(source))) {
    for (const notice of tokenizer.notices) options.listener?.(notice);
  }
}

async function beginsWithConversation(source: PreferenceSource): Promise<boolean> {
  for await (const row of source.rows()) {
    if (!isDroppedRow(row)) return row.conversation !== undefined;
  }
  return false;
}

/** Everything that determines the cache's values. */
async function cacheInputs(
  options: ScoreOptions,
  source: PreferenceSource,
  tokenizer: PairTokenizer,
  scorer: Record<string, string | number>,
  rowsPerShard: number,
): Promise<CacheInputs> {
  const { maxLength, maxPromptLength, truncation } = resolveLimits(options.limits ?? {});
  const { tokenizer: digest, chatTemplate, chatTemplateNow } = tokenizer.fingerprint();
  return {
    schemaVersion: CACHE_SCHEMA_VERSION,
    toolVersion: TOOL_VERSION,
    dataset: await source.fingerprint(),
    tokenizer: {
      tokenizer: digest,
      chatTemplate,
      chatTemplateNow: chatTemplateNow ?? null,
      chatTemplateGiven: options.chatTemplate !== undefined,
    },
    limits: {
      maxLength,
      maxPromptLength: Number.isFinite(maxPromptLength) ? maxPromptLength : null,
      truncation,
    },
    model: {
      weightsSha256: await weightsDigest(options.modelDirectory),
      configSha256: await sha256OfFile(join(options.modelDirectory, CONFIG_FILE)),
    },
    scorer,
    rowsPerShard,
    ...(options.topLogprobs === undefined ? {} : { topLogprobs: options.topLogprobs }),
  };
}
