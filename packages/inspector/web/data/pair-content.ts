/** One pair with its tokens, out of a shard of the cache. */
import type { CacheDescription } from '../../src/site-contract.js';
import { ParquetFile, type ParquetRow } from '../files/parquet-file.js';
import type { SiteFiles } from '../files/site-files.js';
import { SiteProblem } from '../files/site-problem.js';

/** Ids and the reference's log-probs in nats, one a token. */
export interface PairContent {
  pairIndex: number;
  pairId: string;
  sourceRow: number;
  /** [P], [C], [R]. */
  promptIds: Int32Array;
  chosenIds: Int32Array;
  rejectedIds: Int32Array;
  chosenRefLogps: Float32Array;
  rejectedRefLogps: Float32Array;
}

export const CONTENT_COLUMNS = [
  'pair_id',
  'source_row',
  'prompt_ids',
  'chosen_ids',
  'rejected_ids',
  'chosen_ref_logps',
  'rejected_ref_logps',
] as const;

/** The shard that holds a pair. @throws SiteProblem where none does. */
export function shardOf(
  { shards, rows }: CacheDescription,
  pair: number,
): CacheDescription['shards'][number] {
  const shard = shards.find(({ firstRow, rows }) => pair >= firstRow && pair < firstRow + rows);
  if (shard === undefined) throw new SiteProblem(`there is no pair ${pair}: the cache has ${rows}`);
  return shard;
}

/** Pairs of shards; metadata of the shards opened last is held. */
export class PairContents {
  private readonly open = new Map<string, Promise<ParquetFile>>();

  constructor(
    private readonly files: SiteFiles,
    private readonly limit = 8,
  ) {}

  /** @throws SiteProblem for a damaged shard. */
  async pair(cache: CacheDescription, pair: number): Promise<PairContent> {
    return (await this.pairs(cache, [pair]))[0]!;
  }

  /** Several pairs in the order given; a shard is read once, from the first to the last of its pairs. @throws SiteProblem */
  async pairs(cache: CacheDescription, pairs: readonly number[]): Promise<PairContent[]> {
    const shards = new Map<CacheDescription['shards'][number], number[]>();
    for (const pair of pairs) {
      const shard = shardOf(cache, pair);
      shards.set(shard, [...(shards.get(shard) ?? []), pair]);
    }
    const found = new Map<number, PairContent>();
    for (const [shard, wanted] of shards) {
      for (const content of await this.rowsOf(shard, wanted)) found.set(content.pairIndex, content);
    }
    return pairs.map((pair) => found.get(pair)!);
  }

  private async rowsOf(
    shard: CacheDescription['shards'][number],
    pairs: readonly number[],
  ): Promise<PairContent[]> {
    const file = await this.shard(shard.file);
    if (file.rows !== shard.rows)
      throw new SiteProblem(`${shard.file} has ${file.rows} rows in place of ${shard.rows}`);
    const first = pairs.reduce((a, b) => Math.min(a, b));
    const last = pairs.reduce((a, b) => Math.max(a, b));
    const rows = await file.readRows(CONTENT_COLUMNS, first - shard.firstRow, last - shard.firstRow + 1);
    return pairs.map((pair) => contentOf(rows[pair - first]!, pair, shard.file));
  }

  private shard(path: string): Promise<ParquetFile> {
    let file = this.open.get(path);
    if (file === undefined) {
      file = ParquetFile.open(this.files, path);
      file.catch(() => this.open.delete(path));
      this.open.set(path, file);
      if (this.open.size > this.limit) this.open.delete(this.open.keys().next().value!);
    }
    return file;
  }
}

/** A row of a shard as typed arrays. @throws SiteProblem where ids and log-probs do not go together. */
export function contentOf(row: ParquetRow, pairIndex: number, path: string): PairContent {
  const content: PairContent = {
    pairIndex,
    pairId: String(row['pair_id']),
    sourceRow: Number(row['source_row']),
    promptIds: Int32Array.from(list(row['prompt_ids'])),
    chosenIds: Int32Array.from(list(row['chosen_ids'])),
    rejectedIds: Int32Array.from(list(row['rejected_ids'])),
    chosenRefLogps: Float32Array.from(list(row['chosen_ref_logps'])),
    rejectedRefLogps: Float32Array.from(list(row['rejected_ref_logps'])),
  };
  const sound =
    content.chosenIds.length === content.chosenRefLogps.length &&
    content.rejectedIds.length === content.rejectedRefLogps.length;
  if (!sound) throw new SiteProblem(`${path} is damaged: pair ${pairIndex} has not one log-prob a token`);
  return content;
}

function list(value: unknown): ArrayLike<number> {
  return Array.isArray(value) || ArrayBuffer.isView(value) ? (value as unknown as ArrayLike<number>) : [];
}
