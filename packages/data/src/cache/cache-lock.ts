/** One writer a cache: a lock file with the writer's process, taken over when that process is gone. */
import { open, readFile, rm } from 'node:fs/promises';
import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { InputError, explainSystemError } from '@selective-dpo/foundation';

export const LOCK_FILE = '.writer.lock';

interface Owner {
  pid: number;
  host: string;
  /** When the process started, in ticks since boot: a later process with the same number is another one. */
  started: string;
}

export class CacheLock {
  private constructor(private readonly path: string) {}

  /** @throws InputError `cache-busy` while another process holds it. */
  static async acquire(directory: string): Promise<CacheLock> {
    const path = join(directory, LOCK_FILE);
    for (let attempt = 0; ; attempt++) {
      try {
        const handle = await open(path, 'wx');
        try {
          await handle.writeFile(JSON.stringify(thisProcess()));
        } finally {
          await handle.close();
        }
        return new CacheLock(path);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw explainSystemError(error, path);
      }
      const owner = await readOwner(path);
      if (attempt > 0 || (owner !== undefined && isAlive(owner))) throw busy(directory, owner);
      await rm(path, { force: true });
    }
  }

  async release(): Promise<void> {
    await rm(this.path, { force: true });
  }
}

function busy(directory: string, owner: Owner | undefined): InputError {
  return new InputError('cache-busy', 'another process is writing this cache', {
    file: directory,
    ...(owner === undefined ? {} : { found: `process ${owner.pid} on ${owner.host}` }),
    hint: `wait for it, or delete ${LOCK_FILE} in the folder if that process is gone`,
  });
}

function thisProcess(): Owner {
  return { pid: process.pid, host: hostname(), started: startOf(process.pid) };
}

async function readOwner(path: string): Promise<Owner | undefined> {
  try {
    return JSON.parse(await readFile(path, 'utf8')) as Owner;
  } catch {
    // Half-written by a process that died, or just released.
    return undefined;
  }
}

function isAlive(owner: Owner): boolean {
  if (owner.host !== hostname()) return true;
  try {
    process.kill(owner.pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
  return owner.started === startOf(owner.pid);
}

/** Field 22 of /proc/PID/stat; '' where there is no such file. */
function startOf(pid: number): string {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? '';
  } catch {
    return '';
  }
}
