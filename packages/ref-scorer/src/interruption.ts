/** Ctrl-C in the middle of a pass. */
import { Interrupted } from '@selective-dpo/foundation';

/** @throws Interrupted once `signal` is aborted. */
export function stopIfAsked(signal: AbortSignal | undefined): void {
  if (signal?.aborted !== true) return;
  throw new Interrupted(
    'stopped; every published shard is kept',
    'run the same command again: it goes on after the last published shard',
  );
}

/** Does some work that fails when `signal` is aborted. @throws Interrupted in place of that failure. */
export async function interruptedBy<T>(signal: AbortSignal | undefined, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    stopIfAsked(signal);
    throw error;
  }
}
