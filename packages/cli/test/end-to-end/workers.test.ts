import { readFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { SeededRandom } from '@selective-dpo/foundation';
import { beforeAll, describe, expect, it } from 'vitest';
import { demo, freshFolder, sdpo } from './run-sdpo.js';

const KILLS = Number(process.env['SELECTIVE_DPO_KILLS'] ?? 5);
const WORKERS = 8;

const scoreInto = (out: string, ...more: string[]) => [
  ...['score', '--model', join(demo, 'reference'), '--data', join(demo, 'preferences', 'preferences.jsonl')],
  ...['--out', out, '--limit', '300', '--engine', 'wasm', '--rows-per-shard', '16', ...more],
];
const worker = (out: string, index: number, ...more: string[]) =>
  scoreInto(out, '--shard-index', String(index), '--shard-count', String(WORKERS), ...more);

/** Names and bytes of every file of a cache. */
async function contents(directory: string): Promise<Record<string, string>> {
  const files: Record<string, string> = {};
  for (const entry of await readdir(directory, { withFileTypes: true, recursive: true })) {
    if (!entry.isFile()) continue;
    files[entry.name] = (await readFile(join(entry.parentPath, entry.name))).toString('base64');
  }
  return files;
}

let single: Record<string, string>;
beforeAll(async () => {
  const out = join(await freshFolder(), 'single');
  const { code, stderr } = await sdpo(scoreInto(out));
  expect(code, stderr).toBe(0);
  single = await contents(out);
}, 60_000);

describe(`${WORKERS} workers`, () => {
  it(`in random order with ${KILLS} kills make one worker's cache, byte for byte`, async () => {
    const out = join(await freshFolder(), 'many');
    const random = new SeededRandom(11);
    const left = Array.from({ length: WORKERS }, (_, i) => i);
    let [kills, rounds] = [0, 0];
    while (left.length > 0) {
      const index = left.splice(random.below(left.length), 1)[0]!;
      // Two at a time, now and then with the same index.
      const beside = random.below(3) === 0 ? index : (left[0] ?? index);
      const kill = kills < KILLS ? 400 + random.below(700) : undefined;
      const [first] = await Promise.all([sdpo(worker(out, index), kill), sdpo(worker(out, beside))]);
      if (first.code === null) {
        kills++;
        left.push(index);
      } else expect(first.code, first.stderr).toBe(0);
      if (rounds++ === 1) {
        const early = await sdpo(['cache', 'merge', out]);
        expect(early.code).toBe(2);
        expect(early.stderr).toMatch(
          /missing or damaged: .* of --shard-count 8, then merge|no worker has come to the end/,
        );
      }
    }
    expect(kills).toBe(KILLS);
    const merged = await sdpo(['cache', 'merge', out]);
    expect(merged.stdout).toContain('300 pairs in 19 shards');
    expect(await contents(out)).toEqual(single);
    expect((await sdpo(['cache', 'merge', out])).stdout).toContain('was closed before');
    expect((await sdpo(['cache', 'verify', out])).code).toBe(0);
  }, 120_000);

  it('whose merge is killed at random moments leave the cache open or closed', async () => {
    const out = join(await freshFolder(), 'many');
    for (const index of [0, 1]) {
      expect((await sdpo(scoreInto(out, '--shard-index', String(index), '--shard-count', '2'))).code).toBe(0);
    }
    const random = new SeededRandom(4);
    for (let kill = 0; kill < KILLS; kill++) {
      await sdpo(['cache', 'merge', out], 150 + random.below(250));
      const files = await contents(out);
      if (files['manifest.json'] !== undefined) expect(files['manifest.json']).toBe(single['manifest.json']);
    }
    expect((await sdpo(['cache', 'merge', out])).code).toBe(0);
    expect(await contents(out)).toEqual(single);
  }, 120_000);

  it('of other inputs, half an index, or an index beyond the count are refused', async () => {
    const out = join(await freshFolder(), 'many');
    expect((await sdpo(worker(out, 3, '--limit', '20'))).code).toBe(0);
    const refusals: [string[], string][] = [
      [worker(out, 4), 'a cache of other inputs: dataset'],
      [
        scoreInto(out, '--shard-index', '0', '--shard-count', '2', '--limit', '20'),
        'another number of workers',
      ],
      [scoreInto(out, '--limit', '20'), 'several workers fill this cache'],
      [scoreInto(out, '--shard-index', '8', '--shard-count', '8'), 'from 0 to 7'],
      [scoreInto(out, '--shard-count', '8'), 'both or neither'],
    ];
    for (const [args, part] of refusals) {
      const { code, stderr } = await sdpo(args);
      expect([code, stderr]).toEqual([2, expect.stringContaining(part) as string]);
    }
  }, 60_000);
});
