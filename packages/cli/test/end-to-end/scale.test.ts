/** The bench of large caches, on a small one: several workers, merged, verified, shuffled, read as a training reads. */
import { execFile } from 'node:child_process';
import { mkdtemp, rename, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, it } from 'vitest';

const BENCH = fileURLToPath(new URL('../../../../bench/scale.mjs', import.meta.url));
const PHASES = 'open,verify,survey,shuffle,train,cache info,inspect';

interface Line {
  phase: string;
  pairs: number;
  responseTokens?: number;
  ordered?: number;
  shards?: number;
  files?: number;
  digest?: string;
  peak?: number;
}

let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sdpo-scale-'));
});
afterAll(() => rm(folder, { recursive: true }));

async function bench(...args: string[]): Promise<Map<string, Line>> {
  const { stdout } = await promisify(execFile)(process.execPath, [BENCH, '--json', ...args]);
  const lines = stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Line);
  return new Map(lines.map((line) => [line.phase, line]));
}

it('every phase sees every pair of 2,000, and three workers make the cache that one makes', async () => {
  const three = await bench('--pairs', '2000', '--workers', '3', '--folder', folder, '--phases', PHASES);
  expect([...three.keys()]).toEqual([
    ...['write', 'merge', 'verify', 'verify --digests', 'open', 'survey of the reference'],
    ...[
      'shuffle, every step of an epoch',
      'train: survey, then an epoch',
      'cache info',
      'inspect, derive',
      'cache',
    ],
  ]);
  for (const { phase, pairs, peak } of three.values()) {
    expect(pairs, phase).toBe(2000);
    if (phase !== 'cache') expect(peak, phase).toBeGreaterThan(2 ** 24);
  }
  const [cache, trained] = [three.get('cache')!, three.get('train: survey, then an epoch')!];
  expect(cache).toMatchObject({ shards: 4, files: 2 * 4 + 2 });
  expect(trained.responseTokens).toBe(cache.responseTokens);
  expect(trained.ordered).toBe(three.get('survey of the reference')!.ordered);
  const one = await bench('--pairs', '2000', '--workers', '1', '--phases', 'merge');
  expect(one.get('merge')!.digest).toBe(three.get('merge')!.digest);
}, 300_000);

it('a cache of another number of pairs is told', async () => {
  await rename(join(folder, 'cache-2000-512'), join(folder, 'cache-2500-512'));
  const run = bench('--pairs', '2500', '--folder', folder, '--phases', 'open');
  await expect(run).rejects.toThrow('2000 pairs of 2500');
}, 60_000);
