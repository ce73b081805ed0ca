/** A site cut down to a few pairs, small enough for one file. */
import { asyncBufferFromFile, parquetMetadataAsync, parquetReadObjects } from 'hyparquet';
import { ProgressMeter } from '@selective-dpo/foundation';
import { CacheReader, encodeParquetShard } from '@selective-dpo/data';
import { openPairTable } from '../figures/pair-table.js';
import { sampledRows } from '../run/policy-sample.js';
import type {
  CacheDescription,
  Overview,
  PairColumns,
  SiteDescription,
  Vocabulary,
} from '../site-contract.js';
import { contentOf, fixedFile, headOf, jsonFile, type SiteFile } from './site-files.js';
import { SITE_FILE, type Site } from './site.js';
import { refuseToGoOn, thinnedMetrics, type WatchedWork } from './thinned-metrics.js';

const MAX_DROPPED_BYTES = 1 << 18;
/** Of the sample, the share that is the pairs the reference orders most wrongly. */
const MOST_WRONG = 0.2;

export interface SampleSiteOptions extends WatchedWork {
  /** Pairs, at most. */
  sample: number;
  /** Decides the sample; for a run its own, so that the sample is the one its policies were measured on. */
  seed: number;
}

/**
 * @param cacheDirectory where the site has a cache.
 * @throws InputError of the cache, of metrics and of the file system; Interrupted.
 */
export async function sampleSite(
  site: Site,
  cacheDirectory: string | undefined,
  options: SampleSiteOptions,
): Promise<Site> {
  const files = new Map<string, SiteFile>(await thinnedMetrics(site.files, options));
  for (const [path, file] of site.files) if (path.startsWith('data/policies/')) files.set(path, file);
  const description: SiteDescription = { ...site.description };
  if (site.description.cache !== undefined && cacheDirectory !== undefined) {
    const reader = await CacheReader.open(cacheDirectory);
    try {
      description.cache = await sampleCache(reader, site, files, options);
    } finally {
      await reader.close();
    }
  }
  files.set(
    SITE_FILE,
    jsonFile(() => description),
  );
  return { description, files };
}

async function sampleCache(
  reader: CacheReader,
  { files: from, description }: Site,
  into: Map<string, SiteFile>,
  options: SampleSiteOptions,
): Promise<CacheDescription> {
  const cache = description.cache!;
  const overview = JSON.parse(textOf(await contentOf(from.get(cache.overview)!))) as Overview;
  const wrong = description.run === undefined ? overview.reference.mostWrong : [];
  const rows = rowsOf(reader.rowCount, options.sample, options.seed, wrong);
  const { shards, used } = await shardsOf(reader, rows, into, options);
  into.set(cache.pairs, fixedFile(await pairsOf(from.get(cache.pairs)!, rows, options)));
  for (const path of [cache.overview, cache.manifest]) into.set(path, from.get(path)!);
  into.set(cache.dropped, fixedFile(await headOf(from.get(cache.dropped)!, MAX_DROPPED_BYTES)));
  if (cache.vocabulary !== undefined) {
    const vocabulary = JSON.parse(textOf(await contentOf(from.get(cache.vocabulary)!))) as Vocabulary;
    const texts = vocabulary.texts.map((text, id) => (used.has(id) ? text : ''));
    into.set(
      cache.vocabulary,
      jsonFile(() => ({ ...vocabulary, texts })),
    );
  }
  return { ...cache, shards };
}

/** A shard for every pair of the sample, and the ids of their tokens. */
async function shardsOf(
  reader: CacheReader,
  rows: readonly number[],
  into: Map<string, SiteFile>,
  { listener, signal }: WatchedWork,
): Promise<{ shards: CacheDescription['shards']; used: Set<number> }> {
  const used = new Set<number>();
  const shards: CacheDescription['shards'][number][] = [];
  const meter = new ProgressMeter('sample', 'pairs', rows.length);
  for (const index of rows) {
    refuseToGoOn(signal);
    const row = await reader.row(index);
    for (const ids of [row.promptIds, row.chosenIds, row.rejectedIds]) for (const id of ids) used.add(id);
    const bytes = await encodeParquetShard([row]);
    const file = `data/cache/shards/pair-${index}.parquet`;
    into.set(file, fixedFile(bytes));
    shards.push({ firstRow: index, rows: 1, file, bytes: bytes.length });
    listener?.(meter.advance(1));
  }
  return { shards, used };
}

function rowsOf(
  rowCount: number,
  sample: number,
  seed: number,
  wrong: Overview['reference']['mostWrong'],
): number[] {
  const worst = wrong.slice(0, Math.floor(MOST_WRONG * sample)).map(({ pairIndex }) => pairIndex);
  const chosen = new Set(worst);
  for (const row of sampledRows(rowCount, sample, seed))
    if (chosen.size < Math.max(1, sample)) chosen.add(row);
  return [...chosen].sort((a, b) => a - b);
}

/** The rows of the table of pairs that are of the sample. @param rows ascending. */
async function pairsOf(
  table: SiteFile,
  rows: readonly number[],
  { signal }: WatchedWork,
): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  const sample = await openPairTable((bytes) => void pieces.push(bytes));
  const path = await table.locate!();
  const file = await asyncBufferFromFile(path!);
  const metadata = await parquetMetadataAsync(file);
  let groupStart = 0;
  let next = 0;
  for (const { num_rows } of metadata.row_groups) {
    refuseToGoOn(signal);
    const groupEnd = groupStart + Number(num_rows);
    if (rows[next] !== undefined && rows[next]! < groupEnd) {
      const range = { rowStart: groupStart, rowEnd: groupEnd };
      const group = (await parquetReadObjects({ file, metadata, ...range })) as unknown as PairColumns[];
      for (; rows[next] !== undefined && rows[next]! < groupEnd; next++)
        await sample.append(presentValues(group[rows[next]! - groupStart]!));
    }
    groupStart = groupEnd;
  }
  await sample.close();
  return Buffer.concat(pieces);
}

/** Absent values are null there, and missing here. */
function presentValues(pair: PairColumns): Record<string, unknown> {
  return Object.fromEntries(Object.entries(pair).filter(([, value]) => (value ?? undefined) !== undefined));
}

function textOf(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}
