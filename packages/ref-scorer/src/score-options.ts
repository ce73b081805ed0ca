/** What a pass is asked to do. */
import type { ProgressListener } from '@selective-dpo/foundation';
import type { LengthLimits, PreferenceLayout, WorkerIndex } from '@selective-dpo/data';
import type { EngineName, EnginePrecision } from '@selective-dpo/model';
import type { ServerOptions } from './server/server-options.js';

/** What holds for every reference. */
export interface DatasetOptions {
  /** Preference file. */
  dataFile: string;
  /** Folder of the cache. */
  outDirectory: string;
  /** Text of a Jinja chat template in place of the tokenizer's own. */
  chatTemplate?: string | undefined;
  layout?: 'auto' | PreferenceLayout | undefined;
  /** First rows of the file only. */
  limit?: number | undefined;
  limits?: LengthLimits | undefined;
  /** Likeliest tokens to keep in the place of each response token, for distillation. */
  topLogprobs?: number | undefined;
  /** Pairs in a shard: what a stopped pass loses at most. */
  rowsPerShard?: number | undefined;
  /** Scores the shards of one of several workers alone; `sdpo cache merge` then closes the cache. */
  worker?: WorkerIndex | undefined;
  /** A finished cache of an earlier state of the dataset: shards whose pairs are all the same are taken from it. */
  reuseDirectory?: string | undefined;
  listener?: ProgressListener | undefined;
  /** Stops after the batch in progress; requests are aborted. */
  signal?: AbortSignal | undefined;
}

/** A reference on this machine. */
export interface ScoreOptions extends DatasetOptions {
  /** Hugging Face directory of the reference. */
  modelDirectory: string;
  /** Its name on the hub and the commit, where it came by them; the manifest records both. */
  modelOrigin?: { repository: string; commit: string } | undefined;
  /** Directory with the policy's tokenizer and chat template; the reference's own by default. */
  tokenizerDirectory?: string | undefined;
  engine?: 'auto' | EngineName | undefined;
  precision?: EnginePrecision | undefined;
  /** Tokens computed at one time. */
  batchTokens?: number | undefined;
  /** Bytes the process may take: `batchTokens` is halved until a batch fits. */
  memoryLimit?: number | undefined;
}

/** A reference that a server runs. */
export interface ServerScoreOptions extends DatasetOptions {
  server: ServerOptions;
  /** Directory with the policy's tokenizer and chat template: the server is sent ids. */
  tokenizerDirectory: string;
}
