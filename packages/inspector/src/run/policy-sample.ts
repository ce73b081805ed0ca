/**
 * Log-probs of a run's policies on a sample of its cache, stored in the run's folder as `inspection/NAME-DIGEST.parquet`. The digest is of
 * weights, cache and pairs: what is there is not computed again, and nothing that an open page reads is replaced.
 */
import { basename, dirname, join } from 'node:path';
import {
  InputError,
  Interrupted,
  ProgressMeter,
  canonicalJson,
  isFolder,
  makeFolder,
  parseShallowJson,
  publishBytes,
  publishFile,
  readRegularFile,
  sha256,
  sha256OfFile,
  type ProgressListener,
} from '@selective-dpo/foundation';
import { ParquetTable, splitRows, type CacheReader, type ParquetColumn } from '@selective-dpo/data';
import { CausalLM, openEngine, weightsDigest, type EngineName } from '@selective-dpo/model';
import {
  CHECKPOINTS_FOLDER,
  FINAL_FOLDER,
  evaluatedBatches,
  objectiveOfStep,
  openPolicy,
  type EvaluatedBatch,
  type RunIdentity,
} from '@selective-dpo/trainer';
import { z } from 'zod';
import { SITE_VERSION, type PolicyColumns } from '../site-contract.js';
import { policyFolders, type PolicyFolders } from './policy-folders.js';

/** A model of a run whose log-probs are wanted. */
export interface SampledPolicy {
  /** `step-40`, `final`; also the name of its file. */
  name: string;
  step: number;
  /** Hugging Face model directory. */
  directory: string;
}

/** What was stored of it. */
export interface StoredPolicy extends SampledPolicy {
  file: string;
  pairs: number;
}

export interface PolicySampleOptions {
  /** Pairs, at most. */
  sample: number;
  /** In place of the run's own. */
  engine?: 'auto' | EngineName | undefined;
  listener?: ProgressListener | undefined;
  /** Stops between batches. */
  signal?: AbortSignal | undefined;
}

const logps = { type: 'FLOAT', repeated: true, compression: 'SNAPPY' } as const;
const COLUMNS: Readonly<Record<keyof PolicyColumns, ParquetColumn>> = {
  ...{ pair_index: { type: 'INT32', compression: 'SNAPPY' }, chosen_logps: logps, rejected_logps: logps },
};

/** Of the digest in a file's name. */
const DIGEST_DIGITS = 12;
const MAX_KEY_BYTES = 1 << 14;
const keySchema = z.strictObject({
  version: z.literal(SITE_VERSION),
  /** Digest of weights, cache and pairs. */
  made: z.string(),
  /** SHA-256 of the Parquet file. */
  sha256: z.string(),
});

/** A seeded sample of a cache, ascending; of a run's own seed it is of the pairs that the run held out, as far as they go. */
export function sampledRows(rowCount: number, sample: number, seed: number): Uint32Array {
  if (sample >= rowCount) return Uint32Array.from({ length: rowCount }, (_, i) => i);
  return splitRows(rowCount, sample / rowCount, seed).eval;
}

/**
 * Computes what is not there yet, by the trainer's own path. A checkpoint that the final model repeats, weight for weight, is that one
 * model and not stored twice.
 * @throws InputError for a cache that is not the policies', damaged models, a folder that cannot be written; Interrupted.
 */
export async function storePolicies(
  run: { directory: string; identity: RunIdentity },
  cache: CacheReader,
  policies: readonly SampledPolicy[],
  { sample, engine, listener, signal }: PolicySampleOptions,
): Promise<StoredPolicy[]> {
  const { config } = run.identity;
  const folders = await policyFolders(run.directory);
  const rows = sampledRows(cache.rowCount, sample, config.seed);
  const stored: StoredPolicy[] = [];
  const final = policies.find(({ name }) => name === FINAL_FOLDER);
  const finalWeights = final && (await weightsDigest(final.directory));
  let opened = false;
  for (const policy of policies) {
    if (signal?.aborted === true) throw interrupted(stored.length, policies.length);
    let file: string | undefined;
    try {
      const weights = policy === final ? finalWeights! : await weightsDigest(policy.directory);
      if (policy !== final && policy.step === final?.step && weights === finalWeights) continue;
      const made = sha256(canonicalJson({ weights, cache: cache.manifest.digest, rows: [...rows] }));
      const name = `${policy.name}-${made.slice(0, DIGEST_DIGITS)}.parquet`;
      file = await soundFile(folders, name, made);
      if (file === undefined) {
        if (!opened) await openEngine(engine ?? config.engine, { precision: config.precision });
        opened = true;
        await makeFolder(folders.write);
        file = join(folders.write, name);
        const batches = policyBatches(policy, cache, rows, run.identity, signal);
        await store(file, made, batches, new ProgressMeter(policy.name, 'pairs', rows.length), listener);
      }
    } catch (error) {
      // The trainer keeps the newest ones alone; what a user named must be there.
      const mayGo = error instanceof InputError && basename(dirname(policy.directory)) === CHECKPOINTS_FOLDER;
      if (!mayGo || (await isFolder(policy.directory))) throw error;
      listener?.({
        ...{ type: 'notice', code: 'checkpoint-gone' },
        message: `${policy.name} is gone: the run has newer checkpoints; it is left out`,
      });
      continue;
    }
    stored.push({ ...policy, file, pairs: rows.length });
  }
  return stored;
}

async function* policyBatches(
  { directory }: SampledPolicy,
  cache: CacheReader,
  rows: Uint32Array,
  { config }: RunIdentity,
  signal: AbortSignal | undefined,
): AsyncGenerator<EvaluatedBatch> {
  const { endsSentence, refuseUnknownIds } = await openPolicy(directory, cache, cache.directory);
  const model = await CausalLM.load(directory);
  try {
    const row = async (index: number) => {
      const found = await cache.row(index);
      refuseUnknownIds(found, false);
      return found;
    };
    // The loss is of no interest here, and that of distillation would need more of the cache.
    const objective = objectiveOfStep({ ...config, loss: 'sigmoid' }, endsSentence, 0);
    const { batchSize: pairs, microBatchTokens: tokens, activations } = config;
    yield* evaluatedBatches(model, { row }, rows, objective, { pairs, tokens, activations }, signal);
  } finally {
    model.dispose();
  }
}

async function store(
  file: string,
  made: string,
  batches: AsyncIterable<EvaluatedBatch>,
  meter: ProgressMeter,
  listener: ProgressListener | undefined,
): Promise<void> {
  await publishFile(file, async (handle) => {
    const table = await ParquetTable.open(COLUMNS, async (bytes) => {
      await handle.appendFile(bytes);
    });
    for await (const { pairs, outcomes } of batches) {
      for (const [i, { input }] of outcomes.entries()) {
        await table.append({
          pair_index: pairs[i]!.index,
          chosen_logps: Array.from(input.logps.policyChosen),
          rejected_logps: Array.from(input.logps.policyRejected),
        });
      }
      listener?.(meter.advance(pairs.length));
    }
    await table.close();
  });
  const key = { version: SITE_VERSION, made, sha256: await sha256OfFile(file) };
  await publishBytes(keyFile(file), JSON.stringify(key));
}

/** Where a file of that name lies that is as it was written. */
async function soundFile({ read }: PolicyFolders, name: string, made: string): Promise<string | undefined> {
  for (const folder of read) if (await isSound(join(folder, name), made)) return join(folder, name);
  return undefined;
}

async function isSound(file: string, made: string): Promise<boolean> {
  try {
    const text = (await readRegularFile(keyFile(file), MAX_KEY_BYTES)).toString('utf8');
    const key = keySchema.parse(parseShallowJson(text));
    return key.made === made && (await sha256OfFile(file)) === key.sha256;
  } catch (error) {
    // What is not there or not ours is made anew.
    if (error instanceof InputError || error instanceof SyntaxError || error instanceof z.ZodError)
      return false;
    throw error;
  }
}

function keyFile(file: string): string {
  return file.replace(/\.parquet$/, '.json');
}

function interrupted(done: number, all: number): Interrupted {
  return new Interrupted(`stopped after ${done} of ${all} policies`, 'run the same command again');
}
