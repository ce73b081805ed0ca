/** Damages files one fault at a time and counts what their reader makes of it. */
import { cp, rm, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { Interrupted, ProgressMeter, SeededRandom, problemsOf } from '@selective-dpo/foundation';
import { seedFor, type ScenarioSettings } from '../scenario.js';
import { Tally, type Outcome, type TallyRow } from '../tally.js';
import { damageFile, randomDamage, type Damage, type DamageKind } from './damage.js';

/** Files of one kind, and who reads them. */
export interface DamageTarget {
  /** e.g. `Parquet shards`. */
  kind: string;
  /** A folder that may be damaged; it is mended after every fault. */
  folder: string;
  /** Names in the folder, faults go to them in turn; each has at least a byte. */
  files: readonly string[];
  /** Reads the folder's content: equal content gives equal texts. */
  read(folder: string): Promise<string>;
  /** Reading changes the folder, so every fault gets a copy. */
  isChangedByReading?: boolean;
  faults: Record<DamageKind, number>;
}

/** Seconds after which an answer counts as slow: a file here is read in milliseconds. */
const DEADLINE_SECONDS = 20;
/** Settings by which a row is counted. */
type Settings = Pick<ScenarioSettings, 'seed' | 'signal' | 'listener'>;

/**
 * @param expected what {@link readWhole} gives.
 * @throws Interrupted.
 */
export async function countDamage(
  scenario: string,
  target: DamageTarget,
  how: DamageKind,
  expected: string,
  settings: Settings,
): Promise<TallyRow> {
  const kind = `${how} in ${target.kind}`;
  const tally = new Tally(scenario, kind);
  const random = new SeededRandom(seedFor(settings, kind));
  const count = target.faults[how];
  const meter = new ProgressMeter(`${scenario}: ${kind}`, 'faults', count);
  const sizes = await Promise.all(
    target.files.map(async (name) => (await stat(join(target.folder, name))).size),
  );
  for (let i = 0; i < count; i++) {
    if (settings.signal.aborted) throw new Interrupted('stopped', 'run the same command again');
    const which = i % target.files.length;
    const damage = randomDamage(how, sizes[which]!, random);
    const fault = `${target.files[which]!} ${JSON.stringify(damage)}`;
    tally.count(...(await outcomeOf(target, target.files[which]!, damage, expected, fault)));
    settings.listener(meter.advance(1));
  }
  return tally.row();
}

/** What the reader finds in a folder that nobody has damaged. @throws as it does. */
export async function readWhole(target: DamageTarget): Promise<string> {
  const folder = await folderToRead(target);
  try {
    return await target.read(folder);
  } finally {
    await letGo(target, folder);
  }
}

async function outcomeOf(
  target: DamageTarget,
  name: string,
  damage: Damage,
  expected: string,
  fault: string,
): Promise<[Outcome, string]> {
  const folder = await folderToRead(target);
  const mend = damageFile(join(folder, name), damage);
  const started = performance.now();
  try {
    const found = await target.read(folder);
    const outcome = found === expected ? 'right' : 'wrong';
    return isLate(started) ? ['slow', fault] : [outcome, `other content was read, ${fault}`];
  } catch (error) {
    if (isLate(started)) return ['slow', fault];
    return problemsOf(error) === undefined ? ['wrong', `${String(error)}, ${fault}`] : ['refused', fault];
  } finally {
    if (target.isChangedByReading !== true) mend();
    await letGo(target, folder);
  }
}

async function folderToRead({ folder, isChangedByReading }: DamageTarget): Promise<string> {
  if (isChangedByReading !== true) return folder;
  // Beside it, and of the same name: a checkpoint's is its step.
  const copy = join(`${folder}.copy`, basename(folder));
  await cp(folder, copy, { recursive: true });
  return copy;
}

async function letGo({ folder }: DamageTarget, used: string): Promise<void> {
  if (used !== folder) await rm(`${folder}.copy`, { recursive: true });
}

const isLate = (started: number): boolean => performance.now() - started > 1000 * DEADLINE_SECONDS;
