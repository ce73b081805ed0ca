/** One process at a time makes what lies in a folder for inspections; others wait for what it makes. */
import { setTimeout as sleep } from 'node:timers/promises';
import {
  FolderLock,
  InputError,
  Interrupted,
  type LockPurpose,
  type ProgressListener,
} from '@selective-dpo/foundation';

const ASK_EVERY_MS = 200;

export interface WaitOptions {
  listener?: ProgressListener | undefined;
  signal?: AbortSignal | undefined;
}

/**
 * Takes a lock as {@link FolderLock.acquire} does; while another process holds it, it says so once and waits.
 * @param directory a folder that exists. @param name of the lock file.
 * @throws Interrupted when the signal is set; InputError of the file system.
 */
export async function inspectionLock(
  directory: string,
  name: string,
  what: string,
  { listener, signal }: WaitOptions,
): Promise<FolderLock> {
  const purpose: LockPurpose = { code: 'inspection-busy', what };
  for (let told = false; ; told = true) {
    try {
      return await FolderLock.acquire(directory, purpose, name);
    } catch (error) {
      if (!(error instanceof InputError && error.code === purpose.code)) throw error;
      if (!told) listener?.(waiting(error));
    }
    if (signal?.aborted === true)
      throw new Interrupted('stopped while waiting for another process', 'run the same command again');
    await sleep(ASK_EVERY_MS);
  }
}

function waiting({ code, message, details: { found, hint } }: InputError) {
  const whom = found === undefined ? '' : ` (${found})`;
  return { type: 'notice', code, message: `${message}${whom}; ${hint}` } as const;
}
