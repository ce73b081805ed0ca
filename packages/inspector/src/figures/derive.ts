/** One pass over a cache makes everything that a page needs to know before it looks at single pairs. */
import type { FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import {
  Interrupted,
  ProgressMeter,
  publishBytes,
  publishFile,
  type ProgressListener,
} from '@selective-dpo/foundation';
import { sumLogps, type CacheReader, type PairTokenizer } from '@selective-dpo/data';
import type { Overview, Vocabulary } from '../site-contract.js';
import { DuplicateFinder } from './duplicates.js';
import { PromptEnds } from './opening.js';
import { OverviewGatherer } from './overview-gatherer.js';
import { openPairTable, pairColumns } from './pair-table.js';
import { vocabularyOf } from './vocabulary.js';

export const OVERVIEW_FILE = 'overview.json';
export const PAIRS_FILE = 'pairs.parquet';
export const VOCABULARY_FILE = 'vocabulary.json';

/** Pairs between two events of progress. */
const PAIRS_A_STEP = 2000;
/** Bytes gathered for one write. */
const WRITE_BYTES = 1 << 18;

export interface DeriveOptions {
  tokenizer?: PairTokenizer | undefined;
  listener?: ProgressListener | undefined;
  /** Stops between pairs. */
  signal?: AbortSignal | undefined;
}

/**
 * Writes {@link OVERVIEW_FILE}, {@link PAIRS_FILE} and, with a tokenizer, {@link VOCABULARY_FILE} into a folder that is there. The same
 * cache gives the same bytes. Memory: some 500 bytes a pair (see {@link DuplicateFinder} and {@link OverviewGatherer}) and, in Parquet's
 * writer, what 1,024 pairs of the table take.
 * @throws InputError `cache-damaged`, `cache-row-invalid`, and those of the file system; Interrupted.
 */
export async function deriveFigures(
  reader: CacheReader,
  folder: string,
  { tokenizer, listener, signal }: DeriveOptions = {},
): Promise<void> {
  const vocabulary = tokenizer && vocabularyOf(tokenizer);
  if (vocabulary !== undefined) await publishJson(join(folder, VOCABULARY_FILE), vocabulary);
  const ends = tokenizer && new PromptEnds(tokenizer, vocabulary!);
  let overview: Overview;
  await publishFile(join(folder, PAIRS_FILE), async (handle) => {
    overview = await tablePass(reader, handle, ends, listener, signal);
  });
  await publishJson(join(folder, OVERVIEW_FILE), overview!);
}

async function tablePass(
  reader: CacheReader,
  handle: FileHandle,
  ends: PromptEnds | undefined,
  listener: ProgressListener | undefined,
  signal: AbortSignal | undefined,
): Promise<Overview> {
  const { rowCount, manifest } = reader;
  const duplicates = new DuplicateFinder(rowCount);
  const gatherer = new OverviewGatherer(rowCount);
  const meter = new ProgressMeter('inspect', 'pairs', rowCount);
  const writes = new GatheredWrites(handle);
  const table = await openPairTable((bytes) => writes.add(bytes));
  let index = 0;
  for await (const row of reader.rows()) {
    if (signal?.aborted === true)
      throw new Interrupted('stopped while looking through the cache', 'run the same command again');
    const sums = { chosen: sumLogps(row.chosenRefLogps), rejected: sumLogps(row.rejectedRefLogps) };
    gatherer.add(row, sums.chosen, sums.rejected);
    const repetition = duplicates.add(index, row);
    await table.append({ ...pairColumns(index, row, sums, repetition, ends?.of(row.promptIds)) });
    index++;
    if (index % PAIRS_A_STEP === 0) listener?.(meter.advance(PAIRS_A_STEP));
  }
  await table.close();
  await writes.flush();
  listener?.(meter.advance(index % PAIRS_A_STEP));
  return gatherer.overview(manifest.dropped, duplicates.figures());
}

/** Parquet's writer hands out many small pieces. */
class GatheredWrites {
  private pieces: Uint8Array[] = [];
  private bytes = 0;

  constructor(private readonly handle: FileHandle) {}

  async add(piece: Uint8Array): Promise<void> {
    this.pieces.push(piece);
    this.bytes += piece.length;
    if (this.bytes >= WRITE_BYTES) await this.flush();
  }

  async flush(): Promise<void> {
    await this.handle.appendFile(Buffer.concat(this.pieces));
    this.pieces = [];
    this.bytes = 0;
  }
}

function publishJson(path: string, value: Overview | Vocabulary): Promise<void> {
  return publishBytes(path, JSON.stringify(value));
}
