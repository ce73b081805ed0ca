/**
 * One writer a folder: a lock file that names its writer's process, taken over when that process is gone. It appears
 * whole (written aside, then hard-linked), so a lock is never seen without its owner.
 */
import { link, rename, rm, writeFile } from 'node:fs/promises';
import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { TEMPORARY_SUFFIX } from './durable-file.js';
import { InputError, explainSystemError } from './errors.js';
import { readRegularFile } from './regular-file.js';

export const LOCK_FILE = '.writer.lock';

interface Owner {
  pid: number;
  host: string;
  /** When the process started, in ticks since boot: a later process with the same number is another one. */
  started: string;
}

/** How a busy folder is reported: a stable code and what it is that is being written. */
export interface LockPurpose {
  code: string;
  what: string;
}

const MAX_LOCK_BYTES = 4096;
const ATTEMPTS = 3;
let asideCount = 0;

export class FolderLock {
  private constructor(
    private readonly path: string,
    private readonly content: string,
  ) {}

  /**
   * Takes the lock of a folder that exists.
   * @param name of the lock file: where a folder has several writers, one for each of them.
   * @throws InputError of the purpose's code while another process holds it, or one on another host may.
   */
  static async acquire(directory: string, purpose: LockPurpose, name = LOCK_FILE): Promise<FolderLock> {
    const path = join(directory, name);
    const content = JSON.stringify(thisProcess());
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      if (await publishLock(path, content)) return new FolderLock(path, content);
      const found = await textOf(path);
      if (found === undefined) continue;
      const owner = parseOwner(found);
      if (owner !== undefined && isAlive(owner)) throw busy(path, purpose, owner);
      await removeStale(path, found);
    }
    throw busy(path, purpose, undefined);
  }

  /** Whether a process that is alive, or one on another host that may be, holds the lock of a folder. Nothing is written. */
  static async isHeld(directory: string, name = LOCK_FILE): Promise<boolean> {
    const found = await textOf(join(directory, name));
    const owner = found === undefined ? undefined : parseOwner(found);
    return owner !== undefined && isAlive(owner);
  }

  /**
   * Gives the lock back, unless someone has removed it and another writer has taken it since. One that cannot be removed (the disk has
   * turned read-only) stays until this process is gone, and hides no failure of the work.
   */
  async release(): Promise<void> {
    if ((await textOf(this.path)) !== this.content) return;
    await rm(this.path, { force: true }).catch(() => undefined);
  }
}

/** Whether the lock is now ours; false if one is there. */
async function publishLock(path: string, content: string): Promise<boolean> {
  const aside = asideName(path);
  try {
    await writeFile(aside, content);
  } catch (error) {
    throw explainSystemError(error, path);
  }
  try {
    await link(aside, path);
    return true;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    // ENOENT: the present holder has cleared our file away with its temporaries.
    if (code === 'EEXIST' || code === 'ENOENT') return false;
    throw explainSystemError(error, path);
  } finally {
    await removeAside(aside);
  }
}

/**
 * Removes a lock whose owner is gone. Two processes may come to this at once: the slower one would remove the lock
 * that the faster one has just made, so what was removed is looked at and put back if it is not the stale one.
 */
async function removeStale(path: string, stale: string): Promise<void> {
  const aside = asideName(path);
  try {
    await rename(path, aside);
    if ((await textOf(aside)) !== stale) await link(aside, path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== 'ENOENT' && code !== 'EEXIST') throw explainSystemError(error, path);
  } finally {
    await removeAside(aside);
  }
}

/** What stays is cleared away with the other temporaries; that it stays hides no failure. */
async function removeAside(aside: string): Promise<void> {
  await rm(aside, { force: true }).catch(() => undefined);
}

function asideName(path: string): string {
  return `${path}.${process.pid}.${asideCount++}${TEMPORARY_SUFFIX}`;
}

function busy(path: string, { code, what }: LockPurpose, owner: Owner | undefined): InputError {
  return new InputError(code, `another process is writing this ${what}`, {
    file: dirname(path),
    ...(owner === undefined ? {} : { found: `process ${owner.pid} on ${owner.host}` }),
    hint: `wait for it, or delete ${basename(path)} in the folder if that process is gone`,
  });
}

function thisProcess(): Owner {
  return { pid: process.pid, host: hostname(), started: startOf(process.pid) };
}

async function textOf(path: string): Promise<string | undefined> {
  try {
    return (await readRegularFile(path, MAX_LOCK_BYTES)).toString('utf8');
  } catch {
    return undefined;
  }
}

/** undefined for what no writer wrote, e.g. a file emptied by a power cut. */
function parseOwner(text: string): Owner | undefined {
  try {
    const { pid, host, started } = JSON.parse(text) as Partial<Owner>;
    if (!Number.isSafeInteger(pid) || pid! < 1) return undefined;
    if (typeof host !== 'string' || typeof started !== 'string') return undefined;
    return { pid: pid!, host, started };
  } catch {
    return undefined;
  }
}

/** A process of another host cannot be asked: it counts as alive. */
function isAlive(owner: Owner): boolean {
  if (owner.host !== hostname()) return true;
  try {
    process.kill(owner.pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
  const { state, started } = processStat(owner.pid);
  // A process that ended while nobody waits for it (a container without an init) keeps its number, and writes no more.
  return owner.started === started && state !== 'Z';
}

function startOf(pid: number): string {
  return processStat(pid).started;
}

/** Fields 3 and 22 of /proc/PID/stat; '' where there is no such file. */
function processStat(pid: number): { state: string; started: string } {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return { state: fields[0] ?? '', started: fields[19] ?? '' };
  } catch {
    return { state: '', started: '' };
  }
}
