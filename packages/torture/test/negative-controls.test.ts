/** What is broken must be caught: publishers, readers and errors that are not as they should be. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MANIFEST_FILE } from '@selective-dpo/data';
import { canonicalJson } from '@selective-dpo/foundation';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { countDamage, readWhole, type DamageTarget } from '../src/damage/count-damage.js';
import { countDisturbed } from '../src/disk/count-disturbed.js';
import { isSound } from '../src/index.js';
import { countKills } from '../src/kill/count-kills.js';
import { CacheJobs } from '../src/work/cache-jobs.js';
import type { Job } from '../src/work/job.js';
import { WorkFolders } from '../src/work/work-folders.js';
import { WorkerPool, type Disturbance } from '../src/work/worker-pool.js';

const settings = { seed: 3, signal: new AbortController().signal, listener: () => undefined };
let pool: WorkerPool;
let folder: string;
let merge: Job;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sdpo-torture-'));
  pool = new WorkerPool(1, folder);
  merge = await (await CacheJobs.open(pool, new WorkFolders(folder))).merge();
}, 300_000);

afterAll(async () => {
  pool.close();
  await rm(folder, { recursive: true });
});

/** Kills processes in the operations that take the lock and write the manifest, each in a folder of its own. */
function killWriters(job: Job, change: Disturbance) {
  let killAt = 0;
  const moment = () => ({ ...change, killAt: killAt++ });
  const plan = { scenario: 'kill', kind: 'merge', job, pool, kills: 6, killsOfOneFolder: 1, moment };
  return countKills(plan, settings);
}

describe('kills', () => {
  it('find a publisher that renames before it writes, and none at fault that does not', async () => {
    const broken = await killWriters(merge, { renameFirst: true });
    expect(broken.mixed).toBeGreaterThan(0);
    expect(broken.findings.join()).toContain(MANIFEST_FILE);
    const sound = await killWriters(merge, {});
    expect(sound).toMatchObject({ count: 6, mixed: 0, differing: 0 });
    expect(isSound(sound)).toBe(true);
  }, 300_000);

  it('find work that comes to other bytes', async () => {
    const result = new Map([...merge.undisturbed.result, [MANIFEST_FILE, 'another digest']]);
    const job = { ...merge, undisturbed: { ...merge.undisturbed, result } };
    const moment = () => ({ killAt: 3 });
    const row = await countKills({ scenario: 'kill', kind: 'x', job, pool, kills: 1, moment }, settings);
    expect(row).toMatchObject({ resumed: 0, differing: 1 });
  }, 300_000);
});

describe('damage', () => {
  const tally = async (read: DamageTarget['read']) => {
    const out = await merge.begin();
    await pool.run(merge.request(out));
    const files = [MANIFEST_FILE];
    const target = { kind: 'manifest', folder: out, files, read, faults: { flips: 300, cuts: 20 } };
    return countDamage('damage', target, 'flips', await readWhole(target), settings);
  };
  const parsed = async (out: string) =>
    canonicalJson(JSON.parse(await readFile(join(out, MANIFEST_FILE), 'utf8')));

  it('finds a reader without a digest, and one whose errors have no type', async () => {
    const row = await tally(parsed);
    expect(row.count).toBe(300);
    expect(row.refused).toBe(0);
    expect(row.wrong).toBeGreaterThan(0);
    // Spaces between tokens that became other spaces, or keys' order, are no fault.
    expect(row.wrong + row.right).toBe(300);
    expect(row.findings.join()).toContain('other content was read');
    expect(row.findings.join()).toContain('SyntaxError');
  }, 60_000);
});

describe('disks', () => {
  it('find an error that is not the one to expect', async () => {
    const work = { scenario: 'disk', kind: 'merge', job: merge, pool, times: 1 };
    const full = { failFrom: { at: 0, code: 'ENOSPC' } } as const;
    const row = await countDisturbed({ ...work, disturbance: () => full, codes: ['read-only'] }, settings);
    expect(row).toMatchObject({ wrong: 1, refused: 0, resumed: 1 });
    const sound = await countDisturbed({ ...work, disturbance: () => full, codes: ['disk-full'] }, settings);
    expect(sound).toMatchObject({ wrong: 0, refused: 1, resumed: 1 });
  }, 300_000);

  it('find work that ends well without its result', async () => {
    const lost = (out: string) => ({ removeAt: { at: merge.undisturbed.operations - 1, folder: out } });
    const job = { ...merge, stateOf: () => Promise.resolve(0) };
    const work = { scenario: 'disk', kind: 'x', job, pool, times: 1, isLost: true, disturbance: lost };
    const row = await countDisturbed(work, settings);
    expect(row.wrong).toBe(1);
  }, 300_000);
});
