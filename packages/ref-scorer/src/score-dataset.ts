/**
 * Stage one from top to bottom: read rows, tokenise them once, ask the reference for the log-prob of every response
 * token, publish shards. Stopped at any moment, the next call goes on after the last published shard.
 */
import {
  CACHE_SCHEMA_VERSION,
  CacheWriter,
  isDroppedRow,
  loadPairTokenizer,
  openPreferenceSource,
  resolveLimits,
  templateInstantOf,
  type CacheInputs,
  type CacheManifest,
  type PairTokenizer,
  type PreferenceSource,
} from '@selective-dpo/data';
import { interruptedBy } from './interruption.js';
import { localReference } from './local-reference.js';
import type { Reference } from './reference.js';
import type { DatasetOptions, ScoreOptions, ServerScoreOptions } from './score-options.js';
import { ScoringPass } from './scoring-pass.js';
import { servedReference } from './server/served-reference.js';
import { TOOL_VERSION } from './tool-version.js';

export interface ScoreResult {
  directory: string;
  /** The cache was there already, made of the same inputs. */
  alreadyComplete: boolean;
  pairs: number;
  shards: number;
  dropped: Partial<Record<string, number>>;
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
  const instant = (await templateInstantOf(outDirectory)) ?? new Date();
  const directory = options.tokenizerDirectory ?? (options as ScoreOptions).modelDirectory;
  const tokenizer = await loadPairTokenizer(directory, {
    chatTemplate: options.chatTemplate,
    now: () => instant,
  });
  const notices = () => tellNotices(options, source, tokenizer);
  const reference = await interruptedBy(options.signal, () =>
    'server' in options
      ? servedReference(options, source, tokenizer, notices)
      : localReference(options, notices),
  );
  const inputs = await cacheInputs(options, source, tokenizer, reference, rowsPerShard);
  const writer = await CacheWriter.open(outDirectory, inputs);
  try {
    if (writer.complete !== undefined) return resultOf(outDirectory, writer.complete, true);
    const scorer = await interruptedBy(options.signal, () => reference.openScorer());
    try {
      const pass = new ScoringPass(options, source, tokenizer, scorer, writer, rowsPerShard, reference);
      return resultOf(outDirectory, await pass.run(), false);
    } finally {
      scorer.dispose();
    }
  } finally {
    await writer.close();
  }
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
