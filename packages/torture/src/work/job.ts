/** A piece of work that is disturbed, and what it comes to where it is not. */
import { bytesIn, type Digests } from '../state/published-files.js';
import type { WorkRequest } from './work-request.js';
import type { WorkerPool } from './worker-pool.js';

export interface Job {
  readonly name: string;
  /** Makes a new folder to work in; gives the path of what will be the result. */
  begin(): Promise<string>;
  request(out: string): WorkRequest;
  /**
   * How much is published, as our own readers find it: a number that grows.
   * @throws MixedState where that is neither what was there before nor what comes after.
   */
  stateOf(out: string): Promise<number>;
  /** What must be the same however often the work was disturbed. */
  resultOf(out: string): Promise<Digests>;
  readonly undisturbed: Measure;
}

/** Work that nothing disturbed. */
export interface Measure {
  result: Digests;
  /** What {@link Job.stateOf} finds at its end. */
  state: number;
  /** Of the work alone, without the start of its process. */
  seconds: number;
  /** Of the file system that change something. */
  operations: number;
  /** What its folder takes at its end. */
  bytes: number;
}

/** Does work that nothing disturbs. @throws Error where it fails. */
export async function doUndisturbed(
  pool: WorkerPool,
  request: WorkRequest,
): Promise<{ seconds: number; operations: number }> {
  const ending = await pool.run(request);
  if (ending.type === 'done') return ending;
  throw new Error(`undisturbed work failed: ${'message' in ending ? ending.message : ending.type}`);
}

/** A job whose undisturbed result stands in `whole`, where it took so many seconds and operations. */
export async function jobOf(
  work: Omit<Job, 'undisturbed'>,
  whole: string,
  cost: { seconds: number; operations: number },
): Promise<Job> {
  const [result, state] = [await work.resultOf(whole), await work.stateOf(whole)];
  return { ...work, undisturbed: { result, state, ...cost, bytes: await bytesIn(whole) } };
}
