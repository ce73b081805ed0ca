/** A site cut down to a few pairs, small enough for one file. */
import { asyncBufferFromFile, parquetReadObjects } from 'hyparquet';
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
import { contentOf, jsonFile, type SiteFile, type SiteFiles } from './site-files.js';
import { SITE_FILE, type Site } from './site.js';

/** Bytes that the metrics of all runs together may have. */
const MAX_METRICS_BYTES = 8 << 20;
const MAX_DROPPED_BYTES = 1 << 18;
/** Of the sample, the share that is the pairs the reference orders most wrongly. */
const MOST_WRONG = 0.2;

/**
 * @param cacheDirectory where the site has a cache.
 * @param seed decides the sample; for a run its own, so that the sample is the one its policies were measured on.
 */
export async function sampleSite(
  site: Site,
  cacheDirectory: string | undefined,
  sample: number,
  seed: number,
): Promise<Site> {
  const files = new Map<string, SiteFile>(await thinnedMetrics(site));
  for (const [path, file] of site.files) if (path.startsWith('data/policies/')) files.set(path, file);
  const { cache } = site.description;
  const description: SiteDescription = { ...site.description };
  if (cache !== undefined && cacheDirectory !== undefined) {
    const reader = await CacheReader.open(cacheDirectory);
    try {
      description.cache = await sampleCache(reader, site.files, cache, files, {
        sample,
        seed,
        run: site.description.run !== undefined,
      });
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
  from: SiteFiles,
  cache: CacheDescription,
  into: Map<string, SiteFile>,
  { sample, seed, run }: { sample: number; seed: number; run: boolean },
): Promise<CacheDescription> {
  const overview = JSON.parse(textOf(await contentOf(from.get(cache.overview)!))) as Overview;
  const rows = rowsOf(reader.rowCount, sample, seed, run ? [] : overview.reference.mostWrong);
  const used = new Set<number>();
  const shards: CacheDescription['shards'][number][] = [];
  for (const index of rows) {
    const row = await reader.row(index);
    for (const ids of [row.promptIds, row.chosenIds, row.rejectedIds]) for (const id of ids) used.add(id);
    const bytes = await encodeParquetShard([row]);
    const file = `data/cache/shards/pair-${index}.parquet`;
    into.set(file, fixed(bytes));
    shards.push({ firstRow: index, rows: 1, file, bytes: bytes.length });
  }
  into.set(cache.pairs, fixed(await pairsOf(from.get(cache.pairs)!, rows)));
  for (const path of [cache.overview, cache.manifest]) into.set(path, from.get(path)!);
  into.set(cache.dropped, fixed((await contentOf(from.get(cache.dropped)!)).subarray(0, MAX_DROPPED_BYTES)));
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

/** The rows of the table of pairs that are of the sample. */
async function pairsOf(table: SiteFile, rows: readonly number[]): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  const sample = await openPairTable((bytes) => void pieces.push(bytes));
  const path = await table.locate!();
  const file = await asyncBufferFromFile(path!);
  for (const index of rows) {
    const [pair] = (await parquetReadObjects({
      file,
      rowStart: index,
      rowEnd: index + 1,
    })) as unknown as PairColumns[];
    // Absent values are null there, and missing here.
    await sample.append(
      Object.fromEntries(Object.entries(pair!).filter(([, value]) => (value ?? undefined) !== undefined)),
    );
  }
  await sample.close();
  return Buffer.concat(pieces);
}

/** The metrics of all runs; of long ones some lines are left out, never the last ones of training and evaluation. */
async function thinnedMetrics({ files }: Site): Promise<[string, SiteFile][]> {
  const found = [...files].filter(([path]) => path.endsWith('/metrics.jsonl'));
  const room = Math.floor(MAX_METRICS_BYTES / Math.max(1, found.length));
  return Promise.all(
    found.map(async ([path, file]): Promise<[string, SiteFile]> => {
      const bytes = await contentOf(file);
      return [
        path,
        bytes.length <= room ? fixed(bytes) : fixed(Buffer.from(thinned(textOf(bytes), bytes.length / room))),
      ];
    }),
  );
}

/** A line out of so many, and the last ones. */
function thinned(text: string, factor: number): string {
  const lines = text.trimEnd().split('\n');
  const every = Math.ceil(factor * 1.1);
  return `${lines.filter((_, i) => i % every === 0 || i >= lines.length - 2).join('\n')}\n`;
}

function fixed(bytes: Uint8Array): SiteFile {
  return { make: () => Promise.resolve(bytes) };
}

function textOf(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}
