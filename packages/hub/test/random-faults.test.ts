/** Faults in any order: what takes its name is right, whatever came before. */
import { randomBytes } from 'node:crypto';
import { readFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { InputError, Interrupted, SeededRandom } from '@selective-dpo/foundation';
import { POLICY, fetched, freshFolder } from './fetched.js';
import { blobHash } from '../src/blob-digest.js';
import { modelOf, startHub, type Fault, type HubServer } from './hub-server.js';

const ROUNDS = 60;
const WEIGHTS = 'model.safetensors';
const BYTES = 200_000;

let hub: HubServer;
beforeAll(async () => {
  const model = await modelOf(POLICY);
  // Whoever fetches does not look into weights.
  model.files.set(WEIGHTS, randomBytes(BYTES));
  hub = await startHub({ models: { 'org/tiny': model } });
});
afterAll(() => hub.close());

function randomFault(random: SeededRandom, right: Buffer): Fault | undefined {
  const after = random.below(BYTES);
  const faults: (Fault | undefined)[] = [
    { kind: 'cut', after },
    { kind: 'stall', after },
    { kind: 'status', status: [403, 429, 500, 503][random.below(4)]! },
    { kind: 'whole' },
    { kind: 'content', content: Buffer.from(right).fill(1, after, after + 1) },
    { kind: 'content', content: right.subarray(0, after) },
    { kind: 'chunked', content: right.subarray(0, after) },
    { kind: 'chunked', content: Buffer.concat([right, Buffer.alloc(9)]) },
    undefined,
  ];
  return faults[random.below(faults.length)];
}

it(`of ${ROUNDS} fetches with a fault in most answers, every blob is what its name says`, async () => {
  const random = new SeededRandom(11);
  const right = hub.script.models['org/tiny']!.files.get(WEIGHTS)!;
  hub.script.fault = ({ path }) => (path === WEIGHTS ? randomFault(random, right) : undefined);
  const outcomes = new Map<string, number>();
  let cache = await freshFolder();
  for (let round = 0; round < ROUNDS; round++) {
    const stop = new AbortController();
    const timer = setTimeout(() => stop.abort(), random.below(4) === 0 ? random.below(300) : 60_000);
    const outcome = await fetched(hub, cache, { idleMs: 50, signal: stop.signal }).then(
      () => 'whole',
      (error: unknown) => {
        if (error instanceof Interrupted) return 'stopped';
        if (error instanceof InputError) return error.code;
        throw error;
      },
    );
    clearTimeout(timer);
    outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
    await expectRightBlobs(cache, outcome === 'whole');
    if (outcome === 'whole') cache = await freshFolder();
  }
  expect([...outcomes.keys()]).toEqual(expect.arrayContaining(['whole', 'stopped', 'hub-size']));
  expect(new Set([...outcomes.keys(), 'hub-digest', 'hub-broken-off'])).toEqual(
    new Set(['whole', 'stopped', 'hub-size', 'hub-digest', 'hub-broken-off']),
  );
}, 120_000);

async function expectRightBlobs(cache: string, whole: boolean): Promise<void> {
  const folder = join(cache, 'models--org--tiny');
  const names = await readdir(join(folder, 'blobs')).catch(() => []);
  for (const name of names.filter((each) => !each.endsWith('.incomplete'))) {
    const content = await readFile(join(folder, 'blobs', name));
    const file = { path: name, bytes: content.length, digest: name };
    expect(blobHash(file).update(content).digest('hex')).toBe(name);
  }
  for (const snapshot of await readdir(join(folder, 'snapshots')).catch(() => [])) {
    const linked = await readdir(join(folder, 'snapshots', snapshot));
    expect(linked.includes(WEIGHTS)).toBe(whole);
    // No link leads nowhere.
    for (const name of linked) await readFile(join(folder, 'snapshots', snapshot, name));
  }
}
