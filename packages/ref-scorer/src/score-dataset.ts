/**
 * Stage one from top to bottom: read rows, tokenise them once, ask the reference for the log-prob of every response
 * token, publish shards. Stopped at any moment, the next call goes on after the last published shard.
 */
import { counted, type ProgressListener } from '@selective-dpo/foundation';
import {
  CACHE_SCHEMA_VERSION,
  CacheWriter,
  WorkerPart,
  beginWorkers,
  isDroppedRow,
  loadPairTokenizer,
  openPreferenceSource,
  rescoredOf,
  resolveLimits,
  templateInstantOf,
  type CacheInputs,
  type CacheManifest,
  type PairTokenizer,
  type PreferenceSource,
  type WorkerIndex,
} from '@selective-dpo/data';
import { interruptedBy } from './interruption.js';
import { localReference } from './local-reference.js';
import type { Reference } from './reference.js';
import type { DatasetOptions, ScoreOptions, ServerScoreOptions } from './score-options.js';
import { ReusingScorer } from './reusing-scorer.js';
import type { Scorer } from './scorer.js';
import { ScoringPass, type ShardTaker, type SourceEnding } from './scoring-pass.js';
import { servedReference } from './server/served-reference.js';
import { TOOL_VERSION } from './tool-version.js';

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
 * Scores a preference dataset into a cache, by a model on this machine or by a server.
 * @throws InputError, InputErrors for bad input; Interrupted when `signal` stopped it.
 */
export async function scoreDataset(options: ScoreOptions | ServerScoreOptions): Promise<ScoreResult> {
  const { rowsPerShard = DEFAULT_ROWS_PER_SHARD, outDirectory } = options;
  const source = await openPreferenceSource(options.dataFile, {
    layout: options.layout,
    limit: options.limit,
  });
  const directory = options.tokenizerDirectory ?? (options as ScoreOptions).modelDirectory;
  const tokenizer = await loadPairTokenizer(directory, {
    chatTemplate: options.chatTemplate,
    now: () => templateInstant(options),
  });
  const notices = () => tellNotices(options, source, tokenizer);
  const reference = await interruptedBy(options.signal, () =>
    'server' in options
      ? servedReference(options, source, tokenizer, notices)
      : localReference(options, notices),
  );
  const inputs = await cacheInputs(options, source, tokenizer, reference, rowsPerShard);
  const writer = await openShards(options, inputs);
  try {
    if (writer.complete !== undefined) return resultOf(outDirectory, writer.complete, true);
    const scorer = await interruptedBy(options.signal, () => reference.openScorer());
    try {
      const reusing = await reusingScorer(scorer, options, inputs);
      const from = reusing ?? scorer;
      const pass = new ScoringPass(options, source, tokenizer, from, writer.taker, rowsPerShard, reference);
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
async function templateInstant({ outDirectory, reuseDirectory, worker }: DatasetOptions): Promise<Date> {
  const begun = await templateInstantOf(outDirectory);
  if (begun !== undefined) return begun;
  const earlier = reuseDirectory === undefined ? undefined : await templateInstantOf(reuseDirectory);
  const instant = earlier ?? new Date();
  return worker === undefined ? instant : beginWorkers(outDirectory, worker.count, instant);
}

async function reusingScorer(
  scorer: Scorer,
  { reuseDirectory }: DatasetOptions,
  inputs: CacheInputs,
): Promise<ReusingScorer | undefined> {
  return reuseDirectory === undefined ? undefined : ReusingScorer.open(scorer, reuseDirectory, inputs);
}

/** What a pass fills: a whole cache, or one worker's part of it. */
interface OpenedShards {
  complete: CacheManifest | undefined;
  taker: ShardTaker;
  finish(ending: SourceEnding): Promise<ScoreResult>;
  close(): Promise<void>;
}

async function openShards(
  { outDirectory: directory, worker, listener }: DatasetOptions,
  inputs: CacheInputs,
): Promise<OpenedShards> {
  if (worker !== undefined) return openPart(directory, inputs, worker);
  const writer = await CacheWriter.open(directory, inputs);
  return {
    complete: writer.complete,
    taker: {
      resumeFrom: writer.resumeFrom,
      wants: () => Promise.resolve(true),
      publishShard: (_, rows, rescored) => writer.publishShard(rows, rescored),
    },
    finish: async ({ dropped }) => {
      const manifest = await writer.finish(dropped);
      tellOfRescored(manifest, listener);
      return resultOf(directory, manifest, false);
    },
    close: () => writer.close(),
  };
}

function tellOfRescored(manifest: CacheManifest, listener: ProgressListener | undefined): void {
  const rescored = rescoredOf(manifest);
  if (rescored === undefined) return;
  const { pairs, greatestDifference } = rescored;
  listener?.({
    type: 'notice',
    code: 'rescored',
    message: `${counted(pairs, 'pair')} scored twice: log-probs at most ${greatestDifference} nats apart`,
    figures: { pairs, greatestDifference },
  });
}

async function openPart(directory: string, inputs: CacheInputs, worker: WorkerIndex): Promise<OpenedShards> {
  const part = await WorkerPart.open(directory, inputs, worker);
  return {
    complete: part.complete,
    taker: {
      resumeFrom: { shards: 0, rows: 0 },
      wants: (index) => part.wants(index),
      publishShard: (index, rows, rescored) => part.publishShard(index, rows, rescored),
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
  options: DatasetOptions,
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
  options: DatasetOptions,
  source: PreferenceSource,
  tokenizer: PairTokenizer,
  reference: Reference,
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
    model: reference.model,
    scorer: reference.identity,
    rowsPerShard,
    ...(options.topLogprobs === undefined ? {} : { topLogprobs: options.topLogprobs }),
  };
}
