/** Small sites made in memory, with any contents, harmless or not. */
import { ParquetTable, type ParquetColumn } from '@selective-dpo/data';
import { SeededRandom } from '@selective-dpo/foundation';
import type { Histogram, Overview, SiteDescription, Spread, Vocabulary } from '../../src/site-contract.js';

/** A pair as a cache holds it. */
export interface MadePair {
  promptIds: number[];
  chosenIds: number[];
  rejectedIds: number[];
  chosenRefLogps: number[];
  rejectedRefLogps: number[];
  pairId?: string;
  duplicateOf?: number;
  duplicateKind?: 'pair' | 'swapped' | 'prompt' | 'near';
  opening?: string;
}

export type Files = Map<string, Uint8Array>;

const LIST = { repeated: true, compression: 'SNAPPY' } as const;
const SHARD: Record<string, ParquetColumn> = {
  pair_id: { type: 'UTF8', compression: 'SNAPPY' },
  source_row: { type: 'INT32', compression: 'SNAPPY' },
  prompt_ids: { type: 'INT32', ...LIST },
  chosen_ids: { type: 'INT32', ...LIST },
  rejected_ids: { type: 'INT32', ...LIST },
  chosen_ref_logps: { type: 'FLOAT', ...LIST },
  rejected_ref_logps: { type: 'FLOAT', ...LIST },
  ref_chosen_logps: { type: 'DOUBLE', compression: 'SNAPPY' },
  ref_rejected_logps: { type: 'DOUBLE', compression: 'SNAPPY' },
};
const number = (type: 'INT32' | 'DOUBLE'): ParquetColumn => ({ type, compression: 'SNAPPY' });
const PAIRS: Record<string, ParquetColumn> = {
  pair_index: number('INT32'),
  pair_id: { type: 'UTF8', compression: 'SNAPPY' },
  source_row: number('INT32'),
  prompt_tokens: number('INT32'),
  chosen_tokens: number('INT32'),
  rejected_tokens: number('INT32'),
  ref_chosen_logps: number('DOUBLE'),
  ref_rejected_logps: number('DOUBLE'),
  duplicate_of: { type: 'INT32', optional: true, compression: 'SNAPPY' },
  duplicate_kind: { type: 'UTF8', optional: true, compression: 'SNAPPY' },
  opening: { type: 'UTF8', optional: true, compression: 'SNAPPY' },
};

/** The bytes of a Parquet file. */
export async function parquetBytes(
  columns: Record<string, ParquetColumn>,
  rows: readonly Record<string, unknown>[],
): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  const table = await ParquetTable.open(columns, (bytes) => void pieces.push(bytes));
  for (const row of rows) await table.append(row);
  await table.close();
  return Buffer.concat(pieces);
}

export const json = (value: unknown): Uint8Array => new TextEncoder().encode(JSON.stringify(value));
const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);

/** Figures of some values. */
export function spreadOf(values: readonly number[]): Spread {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (share: number) => sorted[Math.floor(share * (sorted.length - 1))]!;
  const [min, max] = [sorted[0]!, sorted.at(-1)!];
  const width = (max - min) / 20 || 1;
  const edges = Array.from({ length: 21 }, (_, i) => min + i * width);
  const counts = Array.from(
    { length: 20 },
    (_, i) => values.filter((value) => Math.min(19, Math.floor((value - min) / width)) === i).length,
  );
  const histogram: Histogram = { edges, counts };
  const mean = sum(values) / values.length;
  return {
    total: values.length,
    min,
    mean,
    max,
    quantiles: [at(0.05), at(0.25), at(0.5), at(0.75), at(0.95)],
    histogram,
  };
}

/** The margin of the reference in nats. */
export const marginOf = (pair: MadePair): number => sum(pair.chosenRefLogps) - sum(pair.rejectedRefLogps);

function overviewOf(pairs: readonly MadePair[]): Overview {
  const margins = pairs.map(marginOf);
  const perToken = pairs.map(
    (pair) =>
      sum(pair.chosenRefLogps) / pair.chosenIds.length - sum(pair.rejectedRefLogps) / pair.rejectedIds.length,
  );
  const share = (values: readonly number[], test: (value: number) => boolean) =>
    values.filter(test).length / values.length;
  const kind = (wanted: MadePair['duplicateKind']) =>
    pairs.filter(({ duplicateKind }) => duplicateKind === wanted).length;
  return {
    rows: pairs.length,
    dropped: { 'identical-answers': 2 },
    promptTokens: spreadOf(pairs.map(({ promptIds }) => promptIds.length)),
    chosenTokens: spreadOf(pairs.map(({ chosenIds }) => chosenIds.length)),
    rejectedTokens: spreadOf(pairs.map(({ rejectedIds }) => rejectedIds.length)),
    reference: {
      accuracy: share(margins, (margin) => margin > 0),
      ties: share(margins, (margin) => margin === 0),
      margin: spreadOf(margins),
      accuracyPerToken: share(perToken, (margin) => margin > 0),
      marginPerToken: spreadOf(perToken),
      mostWrong: margins
        .map((margin, pairIndex) => ({ pairIndex, margin }))
        .sort((a, b) => a.margin - b.margin)
        .slice(0, 20),
    },
    chosenLogps: spreadOf(pairs.flatMap(({ chosenRefLogps }) => chosenRefLogps)),
    rejectedLogps: spreadOf(pairs.flatMap(({ rejectedRefLogps }) => rejectedRefLogps)),
    duplicates: {
      identicalPairs: kind('pair'),
      identicalPrompts: kind('prompt'),
      swappedPairs: kind('swapped'),
      nearIdenticalPairs: kind('near'),
    },
  };
}

interface MadeSite {
  pairs: readonly MadePair[];
  vocabulary?: Vocabulary;
  /** Log-probs of policies: for each pair of the sample [chosen, rejected]. */
  policies?: readonly {
    name: string;
    step: number;
    logps: ReadonlyMap<number, readonly [number[], number[]]>;
  }[];
  config?: Record<string, unknown>;
  metrics?: string;
  title?: string;
  rowsPerShard?: number;
}

/** All files of a site of a cache, or of a run where there are policies or metrics. */
export async function madeSite(made: MadeSite): Promise<Files> {
  const { pairs, rowsPerShard = 32, policies = [], metrics, vocabulary } = made;
  const files: Files = new Map();
  const shards: NonNullable<SiteDescription['cache']>['shards'][number][] = [];
  for (let first = 0; first < pairs.length; first += rowsPerShard) {
    const rows = pairs.slice(first, first + rowsPerShard).map((pair, i) => shardRow(pair, first + i));
    const file = `data/cache/shards/shard-${shards.length}.parquet`;
    files.set(file, await parquetBytes(SHARD, rows));
    shards.push({ firstRow: first, rows: rows.length, file, bytes: files.get(file)!.length });
  }
  files.set('data/pairs.parquet', await parquetBytes(PAIRS, pairs.map(pairRow)));
  files.set('data/overview.json', json(overviewOf(pairs)));
  files.set('data/cache/manifest.json', json({ inputs: { dataset: { layout: 'made' } }, digest: 'made' }));
  if (vocabulary !== undefined) files.set('data/vocabulary.json', json(vocabulary));
  for (const policy of policies) files.set(policyFile(policy.name), await policyBytes(policy.logps));
  if (metrics !== undefined) files.set('data/run/metrics.jsonl', new TextEncoder().encode(metrics));
  const run = policies.length > 0 || metrics !== undefined;
  const site: SiteDescription = {
    version: 1,
    kind: run ? 'run' : 'cache',
    title: made.title ?? 'made',
    cache: {
      rows: pairs.length,
      shards,
      stored: { shards: shards.length, bytes: shards.reduce((sum, { bytes }) => sum + bytes, 0) },
      ...(vocabulary && { vocabulary: 'data/vocabulary.json' }),
      ...{ overview: 'data/overview.json', pairs: 'data/pairs.parquet' },
      ...{ manifest: 'data/cache/manifest.json', dropped: 'data/cache/dropped.jsonl' },
    },
    ...(run && {
      run: {
        config: made.config ?? { keep: 0.4, seed: 3 },
        ...{ metrics: 'data/run/metrics.jsonl', finished: true },
        policies: policies.map(({ name, step, logps }) => ({
          name,
          step,
          file: policyFile(name),
          pairs: logps.size,
        })),
      },
    }),
  };
  files.set('data/site.json', json(site));
  return files;
}

const policyFile = (name: string): string => `data/policies/${name}.parquet`;

function policyBytes(logps: ReadonlyMap<number, readonly [number[], number[]]>): Promise<Uint8Array> {
  const columns = {
    pair_index: number('INT32'),
    chosen_logps: { type: 'FLOAT', ...LIST } as const,
    rejected_logps: { type: 'FLOAT', ...LIST } as const,
  };
  const rows = [...logps].map(([pair_index, [chosen_logps, rejected_logps]]) => ({
    pair_index,
    chosen_logps,
    rejected_logps,
  }));
  return parquetBytes(columns, rows);
}

function shardRow(pair: MadePair, index: number) {
  return {
    pair_id: pair.pairId ?? `id-${index}`,
    source_row: index,
    prompt_ids: pair.promptIds,
    chosen_ids: pair.chosenIds,
    rejected_ids: pair.rejectedIds,
    chosen_ref_logps: pair.chosenRefLogps,
    rejected_ref_logps: pair.rejectedRefLogps,
    ref_chosen_logps: sum(pair.chosenRefLogps),
    ref_rejected_logps: sum(pair.rejectedRefLogps),
  };
}

function pairRow(pair: MadePair, index: number) {
  return {
    pair_index: index,
    pair_id: pair.pairId ?? `id-${index}`,
    source_row: index,
    prompt_tokens: pair.promptIds.length,
    chosen_tokens: pair.chosenIds.length,
    rejected_tokens: pair.rejectedIds.length,
    ref_chosen_logps: sum(pair.chosenRefLogps),
    ref_rejected_logps: sum(pair.rejectedRefLogps),
    ...(pair.duplicateOf !== undefined && {
      duplicate_of: pair.duplicateOf,
      duplicate_kind: pair.duplicateKind,
    }),
    ...(pair.opening !== undefined && { opening: pair.opening }),
  };
}

const WORDS = 'the a cat dog sat ran on under mat tree and then it was is not very so . ! ? \n'.split(' ');
/** Words with a space before them; the last ids are an end token, and a text across lines. */
export const WORD_VOCABULARY: Vocabulary = {
  texts: [
    ...WORDS.map((word) => (/^[.!?\n]/.test(word) ? word : ` ${word}`)),
    '</s>',
    '\n\nHuman:',
    '\n\nAssistant:',
  ],
  special: [WORDS.length],
  sentenceEnds: WORDS.flatMap((word, id) => (/^[.!?\n]/.test(word) ? [id] : [])),
};

/** Random pairs over {@link WORD_VOCABULARY}; equal seeds give equal pairs. Some repeat earlier ones, some tie. */
export function randomPairs(count: number, seed: number, longest = 40): MadePair[] {
  const random = new SeededRandom(seed);
  const ids = (n: number) => Array.from({ length: n }, () => random.below(WORDS.length));
  const logps = (n: number) =>
    Array.from({ length: n }, () => Math.fround(4 * Math.log(1 - 0.95 * random.next())));
  return Array.from({ length: count }, (_, index) => {
    const [prompt, chosen, rejected] = [3, 1, 1].map((least) => least + random.below(longest)) as [
      number,
      number,
      number,
    ];
    const promptIds = [WORDS.length + 2, ...ids(prompt), WORDS.length + 3];
    const pair: MadePair = {
      promptIds,
      chosenIds: [...ids(chosen), WORDS.length],
      rejectedIds: [...ids(rejected), WORDS.length],
      chosenRefLogps: logps(chosen + 1),
      rejectedRefLogps: logps(rejected + 1),
      opening: promptIds
        .map((id) => WORD_VOCABULARY.texts[id])
        .join('')
        .slice(-160),
    };
    const kinds = ['pair', 'swapped', 'prompt', 'near'] as const;
    if (index > 0 && random.below(7) === 0) {
      pair.duplicateOf = random.below(index);
      pair.duplicateKind = kinds[random.below(4)]!;
    }
    return pair;
  });
}

/** Log-probs of a policy that moved away from the reference by about `distance` nats, for some of the pairs. */
export function movedLogps(
  pairs: readonly MadePair[],
  seed: number,
  distance: number,
  inSample: (index: number) => boolean = () => true,
): Map<number, readonly [number[], number[]]> {
  const random = new SeededRandom(seed);
  const move = (logps: readonly number[]) =>
    logps.map((logp) => Math.fround(Math.min(0, logp + distance * (random.next() - 0.5))));
  const all = pairs.map(
    ({ chosenRefLogps, rejectedRefLogps }) => [move(chosenRefLogps), move(rejectedRefLogps)] as const,
  );
  return new Map(all.flatMap((logps, index) => (inSample(index) ? [[index, logps] as const] : [])));
}
