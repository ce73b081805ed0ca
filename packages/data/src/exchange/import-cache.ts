/** A cache out of what another program has scored. */
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import {
  InputError,
  Interrupted,
  ProgressMeter,
  sha256OfFile,
  type ProgressListener,
} from '@selective-dpo/foundation';
import { CACHE_SCHEMA_VERSION, type CacheInputs } from '../cache/cache-inputs.js';
import { checkCacheRow, sumLogps, type CacheRow } from '../cache/cache-row.js';
import { CacheWriter } from '../cache/cache-writer.js';
import { DROPPED_FILE, refuseManyShards, type CacheManifest } from '../cache/manifest.js';
import { recogniseFile } from '../rows/file-kind.js';
import { fileStateOf, refuseOtherState } from '../rows/file-state.js';
import { rawRows } from '../rows/raw-rows.js';
import { DropLedger } from '../tokenization/drop-ledger.js';
import { loadPairTokenizer, type TokenizerFingerprint } from '../tokenization/pair-tokenizer.js';
import { IMPORTED_COLUMNS, importedRow } from './imported-row.js';

export interface ImportCacheOptions {
  /** JSON Lines, JSON, Parquet or Arrow; see {@link importedRow}. */
  dataFile: string;
  /** Hugging Face folder of the tokenizer that the ids were made with. */
  tokenizerDirectory: string;
  /** Name of the model that gave the log-probs, for people. */
  reference: string;
  outDirectory: string;
  /** Version of this program. */
  toolVersion: string;
  rowsPerShard: number;
  listener?: ProgressListener | undefined;
  signal?: AbortSignal | undefined;
}

/** Longer sequences than any model reads. */
const MAX_LENGTH = 1 << 20;

/**
 * Rows whose answers are the same are dropped, as in scoring; everything else that is not as it should be ends the import, and nothing of it
 * counts before all rows were read. An import that was stopped goes on after its last shard.
 * @throws InputError as {@link importedRow}, `cache-row-invalid`, `no-pairs`, and those of files; Interrupted.
 */
export async function importCache(options: ImportCacheOptions): Promise<CacheManifest> {
  const { dataFile, outDirectory, rowsPerShard, signal } = options;
  const state = await fileStateOf(dataFile);
  const tokenizer = await loadPairTokenizer(options.tokenizerDirectory);
  await refuseFirstRow(dataFile, tokenizer.vocabularySize);
  const inputs = await importInputs(options, tokenizer.fingerprint(), Number(state.size));
  const writer = await CacheWriter.open(outDirectory, inputs);
  try {
    if (writer.complete !== undefined) return writer.complete;
    const { rows: published } = writer.resumeFrom;
    const dropped = await DropLedger.publish(join(outDirectory, DROPPED_FILE), async (ledger) => {
      let pairs = 0;
      let shard: CacheRow[] = [];
      for await (const row of usableRows(options, tokenizer.vocabularySize, ledger)) {
        if (pairs++ < published) continue;
        shard.push(row);
        if (shard.length < rowsPerShard) continue;
        refuseManyShards(dataFile, pairs, rowsPerShard);
        await refuseOtherState(dataFile, state);
        await writer.publishShard(shard);
        shard = [];
        if (signal?.aborted === true) throw stopped();
      }
      await refuseOtherState(dataFile, state);
      if (shard.length > 0) await writer.publishShard(shard);
      if (pairs === 0)
        throw new InputError('no-pairs', 'no row of the file gives a pair', { file: dataFile });
      return ledger.counts();
    });
    return await writer.finish(dropped);
  } finally {
    await writer.close();
  }
}

/** A file of another kind than meant is refused before anything is written. */
async function refuseFirstRow(file: string, vocabularySize: number): Promise<void> {
  for await (const { value } of rawRows(file, await recogniseFile(file), IMPORTED_COLUMNS)) {
    importedRow(value, 0, file, vocabularySize);
    return;
  }
}

async function* usableRows(
  { dataFile, listener, signal }: ImportCacheOptions,
  vocabularySize: number,
  ledger: DropLedger,
): AsyncGenerator<CacheRow> {
  const meter = new ProgressMeter('import', 'rows', undefined);
  let index = 0;
  for await (const { value } of rawRows(dataFile, await recogniseFile(dataFile), IMPORTED_COLUMNS)) {
    const row = importedRow(value, index++, dataFile, vocabularySize);
    refuseUnsound(row, dataFile);
    if (index % 1000 === 0) {
      listener?.(meter.advance(1000));
      await setImmediate();
      if (signal?.aborted === true) throw stopped();
    }
    if (isSame(row.chosenIds, row.rejectedIds)) {
      await ledger.add({ row: row.sourceRow, reason: 'identical', detail: 'both answers have the same ids' });
    } else yield row;
  }
}

/** What is asked of every row of a cache, with a hint that fits another program's file. */
function refuseUnsound(row: CacheRow, file: string): void {
  try {
    checkCacheRow(row, file);
    for (const logps of [row.chosenRefLogps, row.rejectedRefLogps]) refuseEndlessSum(logps, row, file);
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    const hint = 'mend or remove the row';
    throw new InputError(error.code, 'a row is not sound', { ...error.details, hint });
  }
}

/** The sum of an answer is a float32 to other trainers. */
function refuseEndlessSum(logps: Float32Array, { sourceRow }: CacheRow, file: string): void {
  const sum = sumLogps(logps);
  if (Number.isFinite(Math.fround(sum))) return;
  throw new InputError('cache-row-invalid', 'a row is not sound', {
    ...{ file, row: sourceRow, found: `log-probs of one answer that add up to ${sum}` },
    expected: 'sums that a float32 holds',
  });
}

async function importInputs(
  { dataFile, reference, toolVersion, rowsPerShard }: ImportCacheOptions,
  { tokenizer, chatTemplate, chatTemplateNow }: TokenizerFingerprint,
  bytes: number,
): Promise<CacheInputs> {
  return {
    ...{ schemaVersion: CACHE_SCHEMA_VERSION, toolVersion, rowsPerShard },
    dataset: { sha256: await sha256OfFile(dataFile), bytes, layout: 'scored', limit: null },
    tokenizer: {
      tokenizer,
      chatTemplate,
      chatTemplateNow: chatTemplateNow ?? null,
      chatTemplateGiven: false,
    },
    limits: { maxLength: MAX_LENGTH, maxPromptLength: null, truncation: 'keep_start' },
    model: { importedModel: reference },
    scorer: { kind: 'imported' },
  };
}

function isSame(a: Int32Array, b: Int32Array): boolean {
  return a.length === b.length && a.every((id, i) => id === b[i]);
}

function stopped(): Interrupted {
  return new Interrupted('stopped; published shards stay', 'run the same command again');
}
