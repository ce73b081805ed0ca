import { readFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { SeededRandom } from '@selective-dpo/foundation';
import { beforeAll, describe, expect, it } from 'vitest';
import { contents } from './file-contents.js';
import { demo, freshFolder, sdpo } from './run-sdpo.js';

const DATA = join(demo, 'preferences', 'preferences.jsonl');
const REFERENCE = join(demo, 'reference');
const POLICY = join(demo, 'policy');
const KILLS = Number(process.env['SELECTIVE_DPO_KILLS'] ?? 6);

let cache: string;

const scoreInto = (out: string) => [
  'score',
  '--model',
  REFERENCE,
  '--data',
  DATA,
  '--out',
  out,
  '--limit',
  '120',
  '--engine',
  'wasm',
  '--rows-per-shard',
  '16',
];
const trainInto = (out: string) => [
  ...['train', '--policy', POLICY, '--cache', cache, '--out', out, '--resume'],
  ...[
    'engine=wasm',
    'maxSteps=16',
    'saveEvery=2',
    'learningRate=3e-4',
    'evalFraction=0.1',
    'evalEvery=6',
    'keep=0.4',
  ],
];

/** Lines of a run's metrics without the figures that clocks and memory give. */
async function figures(run: string): Promise<object[]> {
  const lines = (await readFile(join(run, 'metrics.jsonl'), 'utf8')).trim().split('\n');
  return lines.map((line) =>
    Object.fromEntries(
      Object.entries(JSON.parse(line) as object).filter(
        ([key]) => !/^time$|^(seconds|memory)\/|\/s$/.test(key),
      ),
    ),
  );
}

/** Records in the one event file of a run. */
async function eventRecords(run: string): Promise<number> {
  const [name, ...others] = (await readdir(run)).filter((each) => each.startsWith('events.out.tfevents.'));
  expect(others).toEqual([]);
  const bytes = await readFile(join(run, name!));
  let records = 0;
  for (let at = 0; at < bytes.length; at += 16 + Number(bytes.readBigUInt64LE(at))) records++;
  return records;
}

/**
 * Runs a command again and again, killing it at a random moment of a run's length, until it was killed `kills` times;
 * a folder that gets finished makes room for a new one. Returns all folders, finished.
 */
async function killUntil(
  kills: number,
  command: (out: string) => string[],
  seconds: number,
  seed: number,
): Promise<string[]> {
  const random = new SeededRandom(seed);
  const folders = [join(await freshFolder(), 'out')];
  for (let killed = 0; killed < kills;) {
    const { code, stderr } = await sdpo(command(folders.at(-1)!), random.next() * seconds * 1000);
    expect([null, 0], stderr).toContain(code);
    if (code === null) killed++;
    else folders.push(join(await freshFolder(), 'out'));
  }
  expect((await sdpo(command(folders.at(-1)!))).code).toBe(0);
  return folders;
}

beforeAll(async () => {
  cache = join(await freshFolder(), 'cache');
  expect((await sdpo(scoreInto(cache))).code).toBe(0);
}, 120_000);

describe('killed at random moments', () => {
  it(`score ends with the same bytes (${KILLS} kills)`, async () => {
    const { seconds } = await sdpo(scoreInto(join(await freshFolder(), 'cache')));
    const ended = await killUntil(KILLS, scoreInto, seconds, 21);
    for (const out of ended) expect(await contents(out)).toEqual(await contents(cache));
  }, 300_000);

  it.each(['policy', 'initial'])(
    `train ends with the same figures, bit for bit, selecting by the %s one (${KILLS} kills)`,
    async (selectionFrom) => {
      const command = (out: string) => [...trainInto(out), `selectionFrom=${selectionFrom}`];
      const whole = join(await freshFolder(), 'run');
      const { code, seconds } = await sdpo(command(whole));
      expect(code).toBe(0);
      const weights = (run: string) => readFile(join(run, 'final', 'model.safetensors'));
      for (const broken of await killUntil(KILLS, command, seconds, 22)) {
        expect(await figures(broken)).toEqual(await figures(whole));
        expect((await weights(broken)).equals(await weights(whole))).toBe(true);
        // For TensorBoard: the version, the settings, and every line once.
        expect(await eventRecords(broken)).toBe(2 + (await figures(broken)).length);
      }
    },
    300_000,
  );

  it('train ends with other figures under another seed or selection', async () => {
    const [whole, seed, frozen] = [1, 2, 3].map(() => freshFolder());
    const run = async (folder: Promise<string>, ...settings: string[]) => {
      const out = join(await folder, 'run');
      expect((await sdpo([...trainInto(out), ...settings])).code).toBe(0);
      return figures(out);
    };
    const own = await run(whole!);
    expect(await run(seed!, 'seed=1')).not.toEqual(own);
    expect(await run(frozen!, 'selectionFrom=initial')).not.toEqual(own);
  }, 300_000);
});
