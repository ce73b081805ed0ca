/** Runs on a large cache count once how many pairs its reference orders. */
import { mkdtemp, readFile, readdir, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ProgressEvent } from '@selective-dpo/foundation';
import { CacheReader, splitRows } from '@selective-dpo/data';
import { openEngine } from '@selective-dpo/model';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { rowsOfRun } from '../src/run/run-rows.js';
import { referenceMargin } from '../src/trust/pair-trust.js';
import { surveyReference } from '../src/trust/reference-survey.js';
import { pairRows, writeCache } from './small-cache.js';
import { writePolicy } from './small-policy.js';
import { settings } from './small-run.js';

const rows = pairRows(100);
const ordered = rows.filter((row) => referenceMargin(row).margin > 0).length;
const { XDG_CACHE_HOME } = process.env;

let policyDirectory: string;
let reader: CacheReader;
let orders: string;

beforeAll(async () => {
  await openEngine('wasm');
  policyDirectory = await writePolicy();
  reader = await CacheReader.open(await writeCache(policyDirectory, rows));
});

beforeEach(async () => {
  const home = await mkdtemp(join(tmpdir(), 'sdpo-orders-'));
  process.env['XDG_CACHE_HOME'] = home;
  orders = join(home, 'selective-dpo', 'reference-order');
});

afterAll(async () => {
  process.env['XDG_CACHE_HOME'] = XDG_CACHE_HOME;
  if (XDG_CACHE_HOME === undefined) delete process.env['XDG_CACHE_HOME'];
  await reader.close();
});

const remembering = { leastRemembered: rows.length };
const survey = (change: Parameters<typeof settings>[0] = {}, options: object = remembering) =>
  rowsOfRun(reader, settings({ evalFraction: 0.1, ...change }), options);
const orderFile = () => join(orders, `${reader.manifest.digest}.json`);

/** Puts another number into what was remembered, which no look through the cache could give. */
async function remember(change: object): Promise<void> {
  const order = JSON.parse(await readFile(orderFile(), 'utf8')) as object;
  await writeFile(orderFile(), JSON.stringify({ ...order, ...change }));
}

describe('the order of a cache', () => {
  it('is counted once, and is then what the plain way gives, with the same rows to train on', async () => {
    const plain = await survey({}, {});
    expect(plain.survey).toMatchObject({ pairs: 100, ordered });
    const first = await survey();
    expect(await readdir(orders)).toEqual([`${reader.manifest.digest}.json`]);
    expect(await survey()).toEqual(plain);
    expect(first).toEqual(plain);
    // Control: it is not counted again.
    await remember({ ordered: 3 });
    expect((await survey({ seed: 9 })).survey).toMatchObject({ pairs: 100, ordered: 3 });
  });

  it('of a small cache is counted every time, and nothing is left behind', async () => {
    await survey({}, { leastRemembered: rows.length + 1 });
    await expect(readdir(orders)).rejects.toThrow();
  });

  it.each(['drop', 'weight'] as const)(
    'is not asked for with refTrust=%s, which needs every row',
    async (refTrust) => {
      await survey();
      await remember({ ordered: 3 });
      expect((await survey({ refTrust })).survey).toMatchObject({ pairs: 100, ordered });
    },
  );

  it.each([
    ['of more pairs than there are', { ordered: 101 }],
    ['of another number of pairs', { pairs: 99 }],
    ['of another cache', { cache: 'f'.repeat(64) }],
    ['of another version', { version: 2 }],
    ['with what nobody wrote', { more: 1 }],
  ])('%s is counted again', async (_, change) => {
    await survey();
    await remember({ ordered: 3, ...change });
    expect((await survey()).survey).toMatchObject({ pairs: 100, ordered });
  });

  it('is counted where it cannot be kept', async () => {
    process.env['XDG_CACHE_HOME'] = join(orders, '../..', 'file');
    await writeFile(process.env['XDG_CACHE_HOME'], '');
    expect((await survey()).survey).toMatchObject({ pairs: 100, ordered });
  });

  it('of a cache that could not be read to its end is not kept', async () => {
    const cacheDirectory = await writeCache(policyDirectory, rows);
    const arrow = join(cacheDirectory, 'shards/shard-00002.arrow');
    const bytes = await readFile(arrow);
    bytes[bytes.length >> 1]! ^= 1;
    await writeFile(arrow, bytes);
    const damaged = await CacheReader.open(cacheDirectory);
    const { train } = splitRows(damaged.rowCount, 0, 1);
    const trust = { refTrust: 'ignore', refTrustScale: 1 } as const;
    expect(await surveyReference(damaged, train, trust, remembering)).toBeUndefined();
    await expect(readdir(orders)).rejects.toThrow();
    await damaged.close();
  });

  it('of a small cache is counted without events of progress', async () => {
    const events: ProgressEvent[] = [];
    await survey({}, { listener: (event: ProgressEvent) => events.push(event) });
    expect(events).toEqual([]);
  });
});
