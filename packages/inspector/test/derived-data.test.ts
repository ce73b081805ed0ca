import { cp, mkdir, readFile, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { FolderLock, InputError, Interrupted } from '@selective-dpo/foundation';
import { CacheReader, loadPairTokenizer, sumLogps, type CacheRow } from '@selective-dpo/data';
import { parquetReadObjects } from 'hyparquet';
import { describe, expect, it } from 'vitest';
import { codesOf, refusalOf } from '../../trainer/test/refusal.js';
import { vocabularyOf } from '../src/figures/vocabulary.js';
import { derivedData, findPair, inspectionFolder } from '../src/index.js';
import type { Overview, PairColumns, Spread, Vocabulary } from '../src/site-contract.js';
import { VOCABULARY_SIZE, pairRows, testFolder, writeCache, writeTokenizer } from './small-cache.js';

const folder = testFolder();
const json = async <T>(path: string) => JSON.parse(await readFile(path, 'utf8')) as T;

async function derive(cache: string, tokenizerDirectory?: string) {
  const reader = await CacheReader.open(cache);
  try {
    return (await derivedData(reader, { tokenizerDirectory })).folder;
  } finally {
    await reader.close();
  }
}

async function pairsIn(directory: string): Promise<PairColumns[]> {
  const bytes = await readFile(join(directory, 'pairs.parquet'));
  const file = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length);
  return (await parquetReadObjects({ file })) as unknown as PairColumns[];
}

/** As the contract says it, from all values at once. */
function expectSpread(found: Spread, values: number[], quantileError = 0) {
  const sorted = [...values].sort((a, b) => a - b);
  const mean = values.reduce((a, b) => a + b) / values.length;
  expect([found.total, found.min, found.max]).toEqual([values.length, sorted[0], sorted.at(-1)]);
  expect(found.mean).toBeCloseTo(mean, 9);
  [0.05, 0.25, 0.5, 0.75, 0.95].forEach((q, i) => {
    const exact = sorted[Math.floor(q * (values.length - 1))]!;
    expect(Math.abs(found.quantiles[i]! - exact)).toBeLessThanOrEqual(quantileError * Math.abs(exact));
  });
  const { edges, counts } = found.histogram;
  expect(edges).toEqual([...edges].sort((a, b) => a - b));
  const wanted = counts.map(
    (_, i) =>
      values.filter((v) => (i === 0 || v >= edges[i]!) && (i === counts.length - 1 || v < edges[i + 1]!))
        .length,
  );
  expect(counts).toEqual(wanted);
}

/** 90 pairs with an identical one, a swapped one and one with a prompt seen before. */
function rowsWithRepetitions(): CacheRow[] {
  const rows = pairRows(90);
  const again = (i: number, from: CacheRow, change: Partial<CacheRow> = {}) => {
    rows[i] = { ...from, ...change, pairId: `pair-${i}`, sourceRow: 2 * i };
  };
  const [a, b] = [rows[3]!, rows[5]!];
  again(50, a);
  again(60, b, {
    ...{ chosenIds: b.rejectedIds, rejectedIds: b.chosenIds },
    ...{ chosenRefLogps: b.rejectedRefLogps, rejectedRefLogps: b.chosenRefLogps },
  });
  again(70, rows[7]!, { promptIds: rows[6]!.promptIds });
  return rows;
}

describe('derived data beside a count by hand', () => {
  const rows = rowsWithRepetitions();
  const margins = rows.map((row) => sumLogps(row.chosenRefLogps) - sumLogps(row.rejectedRefLogps));
  const means = rows.map(
    ({ chosenRefLogps: c, rejectedRefLogps: r }) => sumLogps(c) / c.length - sumLogps(r) / r.length,
  );

  it('has the overview', async () => {
    const made = await derive(await writeCache(folder('counted'), rows));
    const overview = await json<Overview>(join(made, 'overview.json'));
    expect([overview.rows, overview.dropped]).toEqual([90, { unreadable: 1 }]);
    expectSpread(
      overview.promptTokens,
      rows.map((row) => row.promptIds.length),
    );
    expectSpread(
      overview.chosenTokens,
      rows.map((row) => row.chosenIds.length),
    );
    expectSpread(
      overview.rejectedTokens,
      rows.map((row) => row.rejectedIds.length),
    );
    expectSpread(
      overview.chosenLogps,
      rows.flatMap((row) => [...row.chosenRefLogps]),
      0.0051,
    );
    expectSpread(
      overview.rejectedLogps,
      rows.flatMap((row) => [...row.rejectedRefLogps]),
      0.0051,
    );
    expectSpread(overview.reference.margin, margins);
    expectSpread(overview.reference.marginPerToken, means);
    expect(overview.reference.accuracy).toBe(margins.filter((margin) => margin > 0).length / 90);
    expect(overview.reference.accuracyPerToken).toBe(means.filter((margin) => margin > 0).length / 90);
    expect(overview.reference.mostWrong).toEqual(
      margins
        .map((margin, pairIndex) => ({ pairIndex, margin }))
        .filter(({ margin }) => margin < 0)
        .sort((a, b) => a.margin - b.margin || a.pairIndex - b.pairIndex),
    );
    expect(overview.duplicates).toMatchObject({ identicalPairs: 1, identicalPrompts: 3, swappedPairs: 1 });
  });

  it('has a row for every pair', async () => {
    const made = await derive(folder('counted'));
    const pairs = await pairsIn(made);
    expect(pairs).toHaveLength(90);
    pairs.forEach((pair, i) => {
      const row = rows[i]!;
      expect(pair).toMatchObject({
        ...{ pair_index: i, pair_id: `pair-${i}`, source_row: 2 * i },
        ...{ prompt_tokens: row.promptIds.length, chosen_tokens: row.chosenIds.length },
        ref_chosen_logps: sumLogps(row.chosenRefLogps),
        ref_rejected_logps: sumLogps(row.rejectedRefLogps),
      });
    });
    const repeated = pairs.filter((pair) => (pair.duplicate_of ?? undefined) !== undefined);
    expect(repeated.map((pair) => [pair.pair_index, pair.duplicate_of, pair.duplicate_kind])).toEqual([
      [50, 3, 'pair'],
      [60, 5, 'swapped'],
      [70, 6, 'prompt'],
    ]);
    expect(pairs.every((pair) => (pair.opening ?? undefined) === undefined)).toBe(true);
  });

  it('is the same bytes again', async () => {
    const made = await derive(folder('counted'));
    const before = await readFile(join(made, 'pairs.parquet'));
    const overview = await readFile(join(made, 'overview.json'));
    await rm(made, { recursive: true });
    await derive(folder('counted'));
    expect(await readFile(join(made, 'pairs.parquet'))).toEqual(before);
    expect(await readFile(join(made, 'overview.json'))).toEqual(overview);
  });

  it('names at most 100 pairs as wrong, ties by place', async () => {
    const tied = pairRows(150, 4).map((row, i) => ({
      ...row,
      chosenRefLogps: row.chosenRefLogps.map((_, t) => (t === 0 ? -1 : 0)),
      rejectedRefLogps: row.rejectedRefLogps.map(() => (i < 5 ? -9 : 0)),
    }));
    const made = await derive(await writeCache(folder('tied'), tied));
    const { reference } = await json<Overview>(join(made, 'overview.json'));
    expect(reference.mostWrong.map(({ pairIndex }) => pairIndex)).toEqual(
      Array.from({ length: 100 }, (_, i) => i + 5),
    );
    expect([reference.accuracy, reference.ties]).toEqual([5 / 150, 0]);
  });
});

describe('texts', () => {
  it('come from the tokenizer, which is remembered', async () => {
    const tokenizer = await writeTokenizer(folder('tokenizer'));
    const rows = pairRows(45, 2);
    const cache = await writeCache(folder('with-texts'), rows, tokenizer);
    const ids = await derive(cache);
    expect(await readdir(ids)).not.toContain('vocabulary.json');
    const made = await derive(cache, tokenizer);
    const vocabulary = await json<Vocabulary>(join(made, 'vocabulary.json'));
    expect(vocabulary.texts).toHaveLength(VOCABULARY_SIZE);
    expect(vocabulary.texts.slice(0, 5)).toEqual(['<s>', '</s>', ' ', 'a', 'b']);
    expect(vocabulary.special).toEqual([0, 1]);
    expect(vocabulary.sentenceEnds.map((id) => vocabulary.texts[id])).toEqual(['.', '\n']);
    const pairs = await pairsIn(made);
    const text = (ids: Int32Array) =>
      [...ids]
        .filter((id) => id > 1)
        .map((id) => vocabulary.texts[id])
        .join('')
        .replace(/\s+/g, ' ')
        .trim();
    expect(pairs.map((pair) => pair.opening)).toEqual(rows.map((row) => text(row.promptIds)));
    await derive(cache);
    expect(await readdir(made)).toContain('vocabulary.json');
  });

  it('of parts of characters have their bytes, by either way to write them', async () => {
    const write = async (name: string, tokens: readonly string[], decoder: object) => {
      const directory = await writeTokenizer(folder(name), ['<s>', '</s>', ...tokens]);
      const path = join(directory, 'tokenizer.json');
      await writeFile(path, JSON.stringify({ ...(await json<object>(path)), decoder }));
      return vocabularyOf(await loadPairTokenizer(directory));
    };
    // âĤ stands for E2 82, Ġð for 20 F0, ¬ for AC; ï¿½ is U+FFFD itself, whole.
    const level = await write('of-letters', ['âĤ', 'ï¿½', 'Ġð', '¬', 'a'], { type: 'ByteLevel' });
    expect(level.bytes).toEqual({ 2: 'e282', 4: '20f0', 5: 'ac' });
    expect(level.texts.slice(2)).toEqual(['\uFFFD', '\uFFFD', ' \uFFFD', '\uFFFD', 'a']);
    const decoders = [{ type: 'ByteFallback' }, { type: 'Fuse' }];
    const single = await write('of-bytes', ['<0xE2>', '<0x41>', 'a', '\uFFFD'], {
      type: 'Sequence',
      decoders,
    });
    expect(single.bytes).toEqual({ 2: 'e2' });
    // Other tokenizers have none.
    expect((await write('of-letters-alone', ['a', '\uFFFD'], { type: 'Fuse' })).bytes).toBeUndefined();
  });

  it('of parts of characters are joined in the end of a prompt, and U+FFFD by themselves', async () => {
    const bytes = ['Ã', '¼', 'a'];
    const tokenizer = await writeTokenizer(folder('byte-level'), ['<s>', '</s>', ...bytes]);
    const path = join(tokenizer, 'tokenizer.json');
    const content = { ...(await json<object>(path)), decoder: { type: 'ByteLevel' } };
    await writeFile(path, JSON.stringify(content));
    const [row] = pairRows(1);
    const prompt = Int32Array.from([...Array<number>(300).fill(4), 2, 3]);
    const made = await derive(
      await writeCache(
        folder('bytes'),
        [{ ...row!, promptIds: prompt, chosenIds: Int32Array.of(1), chosenRefLogps: Float32Array.of(-1) }],
        tokenizer,
      ),
      tokenizer,
    );
    expect((await json<Vocabulary>(join(made, 'vocabulary.json'))).texts.slice(2)).toEqual([
      '\uFFFD',
      '\uFFFD',
      'a',
    ]);
    expect((await pairsIn(made))[0]!.opening).toBe(`${'a'.repeat(159)}ü`);
  });

  it('of another tokenizer are refused', async () => {
    const other = await writeTokenizer(folder('other-tokenizer'), ['<s>', '</s>', 'b', 'a']);
    const refusal = await derive(folder('with-texts'), other).catch((error: unknown) => error);
    expect(refusal).toBeInstanceOf(InputError);
    expect((refusal as InputError).code).toBe('tokenizer-differs');
  });
});

describe('the folder of derived data', () => {
  it('is made anew when it is damaged, and else left alone', async () => {
    const made = await derive(await writeCache(folder('damaged'), pairRows(10)));
    const path = join(made, 'overview.json');
    const sound = await readFile(path);
    const { mtimeMs } = await stat(path);
    await derive(folder('damaged'));
    expect((await stat(path)).mtimeMs).toBe(mtimeMs);
    for (const spoil of [
      () => writeFile(path, Buffer.from(sound.map((byte, i) => (i === 9 ? byte ^ 1 : byte)))),
      () => rm(join(made, 'pairs.parquet')),
      () => writeFile(join(made, 'contents.json'), '{}'),
      () => writeFile(join(made, 'contents.json'), '['.repeat(100_000)),
    ]) {
      await spoil();
      await derive(folder('damaged'));
      expect(await readFile(path)).toEqual(sound);
      expect(await pairsIn(made)).toHaveLength(10);
    }
  });

  it('is the same for a cache that was moved, and the cache’s own folder stays as it was', async () => {
    const cache = await writeCache(folder('here'), pairRows(10, 7));
    const before = await readdir(cache, { recursive: true });
    const made = await derive(cache);
    await cp(cache, folder('there'), { recursive: true });
    expect(await derive(folder('there'))).toBe(made);
    expect(await readdir(cache, { recursive: true })).toEqual(before);
    const reader = await CacheReader.open(cache);
    expect(inspectionFolder(reader.manifest, false)).toBe(made);
    await reader.close();
  });

  it('has nothing half-made after a stop, and the next call makes it', async () => {
    const reader = await CacheReader.open(await writeCache(folder('stopped'), pairRows(50, 9)));
    await expect(derivedData(reader, { signal: AbortSignal.abort() })).rejects.toBeInstanceOf(Interrupted);
    const made = inspectionFolder(reader.manifest, false);
    const names = await readdir(join(made, '..'));
    expect(names.filter((name) => name.includes(reader.manifest.digest))).toEqual([]);
    expect((await derivedData(reader)).folder).toBe(made);
    await reader.close();
  });

  it('is waited for where another makes it, and not made twice', async () => {
    const reader = await CacheReader.open(await writeCache(folder('waited'), pairRows(30, 10)));
    const made = inspectionFolder(reader.manifest, false);
    await mkdir(dirname(made), { recursive: true });
    const purpose = { code: 'other', what: 'test' };
    const lock = await FolderLock.acquire(dirname(made), purpose, `${basename(made)}.lock`);
    const told: string[] = [];
    const listener = (event: { type: string; code?: string }) => void told.push(event.code ?? event.type);
    const stop = new AbortController();
    const stopped = derivedData(reader, { listener, signal: stop.signal });
    await expect.poll(() => told).toEqual(['inspection-busy']);
    stop.abort();
    await expect(stopped).rejects.toBeInstanceOf(Interrupted);
    const waiting = derivedData(reader, { listener });
    await expect.poll(() => told).toEqual(['inspection-busy', 'inspection-busy']);
    await lock.release();
    expect((await waiting).folder).toBe(made);
    await reader.close();
  });
});

describe('a pair is found', () => {
  it('by its place, or by an id that may be a number', async () => {
    const rows = pairRows(20, 11).map((row, i) => ({ ...row, pairId: i === 4 ? 'x' : String(10_000 + i) }));
    rows[7]!.pairId = '3';
    const reader = await CacheReader.open(await writeCache(folder('numbered'), rows));
    for (const [wanted, place] of [
      ['x', 4],
      ['10005', 5],
      ['3', 3],
      ['19', 19],
    ] as const) {
      expect(await findPair(reader, wanted)).toBe(place);
    }
    for (const wanted of ['20', '-1', '99999999999999999999']) {
      expect(codesOf(await refusalOf(() => findPair(reader, wanted)))).toEqual(['pair-unknown']);
    }
    await reader.close();
  });
});
