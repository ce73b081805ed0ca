/** Disks of random sizes, really mounted where this process may do so: some are too small, on some the work just fits. */
import { spawnSync } from 'node:child_process';
import { cp, mkdtemp, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { SeededRandom, isFolder } from '@selective-dpo/foundation';
import { seedFor, type ScenarioSettings } from '../scenario.js';
import { Tally, type TallyRow } from '../tally.js';
import type { Job } from '../work/job.js';
import type { WorkerPool } from '../work/worker-pool.js';
import { countDisturbed, type Place } from './count-disturbed.js';

const ENOUGH = '1g';
const KIB = 1024;
/** Of what the finished work takes: at most so large is a disk. */
const LARGEST = 1.5;

/** @throws Interrupted. */
export async function countSmallDisks(
  scenario: string,
  job: Job,
  pool: WorkerPool,
  times: number,
  settings: ScenarioSettings,
): Promise<TallyRow> {
  const kind = `${job.name}, small disk`;
  if (!(await canMount(settings.folder))) {
    return Tally.skipped(scenario, kind, 'needs mounts, which this user may not make');
  }
  const random = new SeededRandom(seedFor(settings, kind));
  const place = smallDisks(job, settings.folder, random);
  const work = { scenario, kind, job, pool, times, disturbance: () => ({}), place };
  return countDisturbed({ ...work, codes: ['disk-full'], leavesNothing: true }, settings);
}

/** A new disk for every folder; what the work begins from is on it, and some room, not always enough. */
function smallDisks(job: Job, folder: string, random: SeededRandom): Place {
  return {
    async begin() {
      const prepared = await job.begin();
      const disk = await mkdtemp(join(folder, 'disk-'));
      mount('-t', 'tmpfs', '-o', `size=${ENOUGH}`, 'none', disk);
      const out = join(disk, basename(prepared));
      if (await isFolder(prepared)) await cp(prepared, out, { recursive: true });
      await rm(dirname(prepared), { recursive: true });
      const room = Math.ceil((random.next() * LARGEST * job.undisturbed.bytes) / KIB);
      mount('-o', `remount,size=${usedKib(disk) + room}k`, disk);
      return out;
    },
    relieve(out) {
      mount('-o', `remount,size=${ENOUGH}`, dirname(out));
      return Promise.resolve();
    },
    async end(out) {
      system('umount', dirname(out));
      await rm(dirname(out), { recursive: true });
    },
  };
}

async function canMount(folder: string): Promise<boolean> {
  const disk = await mkdtemp(join(folder, 'disk-'));
  const mounted = spawnSync('mount', ['-t', 'tmpfs', 'none', disk]).status === 0;
  if (mounted) system('umount', disk);
  await rm(disk, { recursive: true });
  return mounted;
}

const mount = (...args: string[]) => system('mount', ...args);

function usedKib(disk: string): number {
  return Number(system('df', '--output=used', '--block-size=1K', disk).split('\n')[1]);
}

function system(program: string, ...args: string[]): string {
  const { status, stdout, stderr } = spawnSync(program, args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`${program} ${args.join(' ')}: ${stderr}`);
  return stdout;
}
