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

type Shard = CacheDescription['shards'][number];

/** Whether a site holds a pair: one of a sample holds some alone. */
export function holdsPair({ shards }: CacheDescription, pair: number): boolean {
  return shards.some(({ firstRow, rows }) => pair >= firstRow && pair < firstRow + rows);
}

/** The shard that holds a pair. @throws SiteProblem where none does. */
export function shardOf(cache: CacheDescription, pair: number): Shard {
  const shard = cache.shards.find((one) => pair >= one.firstRow && pair < one.firstRow + one.rows);
  if (shard !== undefined) return shard;
  throw new SiteProblem(
    pair < cache.rows
      ? `pair ${pair} is not in this sample of the cache`
      : `there is no pair ${pair}: the cache has ${cache.rows}`,
  );
}

/** Shards up to this size are decoded as a whole, since a row costs as much; the newest of them are held. */
const [WHOLE_BYTES, HELD_SHARDS] = [8 << 20, 3];

/** Pairs out of shards. Memory: the metadata of {@link HELD_SHARDS} shards and the pairs of the small ones among them. */
export class PairContents {
  private readonly open = new Map<string, Promise<ParquetFile>>();
  private readonly whole = new Map<string, Promise<PairContent[]>>();

  constructor(private readonly files: SiteFiles) {}

  /** @throws SiteProblem for a damaged shard. */
  async pair(cache: CacheDescription, pair: number): Promise<PairContent> {
    return (await this.pairs(cache, [pair]))[0]!;
  }

  /** Several pairs in the order given; a shard is read once, from the first to the last of its pairs. @throws SiteProblem */
  async pairs(cache: CacheDescription, pairs: readonly number[]): Promise<PairContent[]> {
    const shards = new Map<Shard, number[]>();
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

  private async rowsOf(shard: Shard, pairs: readonly number[]): Promise<PairContent[]> {
    if (shard.bytes <= WHOLE_BYTES) {
      const all = await held(this.whole, shard.file, () => this.read(shard, 0, shard.rows));
      return pairs.map((pair) => all[pair - shard.firstRow]!);
    }
    const first = pairs.reduce((a, b) => Math.min(a, b)) - shard.firstRow;
    const last = pairs.reduce((a, b) => Math.max(a, b)) - shard.firstRow;
    const rows = await this.read(shard, first, last + 1);
    return pairs.map((pair) => rows[pair - shard.firstRow - first]!);
  }

  private async read(shard: Shard, from: number, to: number): Promise<PairContent[]> {
    const file = await held(this.open, shard.file, () => ParquetFile.open(this.files, shard.file));
    if (file.rows !== shard.rows)
      throw new SiteProblem(`${shard.file} has ${file.rows} rows in place of ${shard.rows}`);
    const rows = await file.readRows(CONTENT_COLUMNS, from, to);
    return rows.map((row, i) => contentOf(row, shard.firstRow + from + i, shard.file));
  }
}

/** What is held under a name, or read now; the oldest goes, and what failed. */
function held<T>(store: Map<string, Promise<T>>, name: string, read: () => Promise<T>): Promise<T> {
  let value = store.get(name);
  if (value !== undefined) return value;
  value = read();
  value.catch(() => store.delete(name));
  store.set(name, value);
  if (store.size > HELD_SHARDS) store.delete(store.keys().next().value!);
  return value;
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
