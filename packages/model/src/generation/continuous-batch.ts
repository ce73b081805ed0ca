/**
 * Generation of many sequences at once: they enter whenever there is room and leave when they end, so a batch stays full while
 * there is work, and requests that come at different times are computed together.
 */
import { setImmediate } from 'node:timers/promises';
import type { SeededRandom, TokenIds } from '@selective-dpo/foundation';
import type { CausalLM } from '../causal-lm/index.js';
import { DecodingBatch } from './decoding-batch.js';
import { cacheBytesOfToken } from './key-value-cache.js';
import { sampleToken, type SamplingOptions } from './sampling.js';

export interface SequenceRequest {
  /** At least one token, ids below the vocabulary's size. */
  prompt: TokenIds;
  maxNewTokens: number;
  /** Generation ends with any of these; it is not part of the result. */
  stopIds: ReadonlySet<number>;
  sampling: SamplingOptions;
  random: SeededRandom;
  /**
   * Called with every token, the stop token included, and the logits it was drawn from, [V], which are valid during the call.
   * Returning true ends the sequence behind this token.
   */
  onToken?: ((id: number, logits: Float32Array) => boolean) | undefined;
  /** Ends the sequence before its next token: the promise is rejected with the signal's reason. */
  signal?: AbortSignal | undefined;
}

export interface FinishedSequence {
  tokens: Int32Array;
  /** `stop`: a stop token, or `onToken` said so; `length`: `maxNewTokens` were generated. */
  finishReason: 'stop' | 'length';
}

export interface BatchLimits {
  /** Sequences computed together. Default 16. */
  maxSequences?: number | undefined;
  /** Bytes of keys and values; one sequence is always let in. Default 1 GiB. */
  maxCacheBytes?: number | undefined;
  /** Prompt tokens computed in one pass; a longer prompt stands alone. Default 4096. */
  maxPromptTokens?: number | undefined;
}

interface Job extends SequenceRequest {
  tokens: number[];
  resolve: (result: FinishedSequence) => void;
  reject: (reason: unknown) => void;
}

export class ContinuousBatch {
  private waiting: Job[] = [];
  private running: (Job | undefined)[] = [];
  private working = false;
  private readonly maxSequences: number;
  private readonly maxCacheTokens: number;
  private readonly maxPromptTokens: number;

  constructor(
    private readonly model: CausalLM,
    { maxSequences = 16, maxCacheBytes = 2 ** 30, maxPromptTokens = 4096 }: BatchLimits = {},
  ) {
    this.maxSequences = maxSequences;
    this.maxCacheTokens = Math.floor(maxCacheBytes / cacheBytesOfToken(model.config));
    this.maxPromptTokens = maxPromptTokens;
  }

  /**
   * Generates one sequence together with all others that are at work. Sequences enter in the order of the calls.
   * @throws RangeError for an empty prompt or an id outside the vocabulary; the signal's reason; InputError
   *   `model-not-finite`, and what the engine throws, to all sequences at work.
   */
  generate(request: SequenceRequest): Promise<FinishedSequence> {
    const { prompt } = request;
    const { vocabSize } = this.model.config;
    if (prompt.length === 0) throw new RangeError('a prompt needs at least one token');
    if (prompt.some((id) => id < 0 || id >= vocabSize))
      throw new RangeError('a token id outside the vocabulary');
    return new Promise((resolve, reject) => {
      this.waiting.push({ ...request, tokens: [], resolve, reject });
      if (!this.working) void this.work();
    });
  }

  /** Sequences at work, and those that wait for room. */
  get load(): { running: number; waiting: number } {
    return { running: this.running.filter((job) => job !== undefined).length, waiting: this.waiting.length };
  }

  private async work(): Promise<void> {
    this.working = true;
    const batch = new DecodingBatch(this.model);
    try {
      for (;;) {
        // Kernels run on this thread: let requests, signals and timers in between steps.
        await setImmediate();
        this.dropAborted(batch);
        await this.letIn(batch);
        if (this.load.running === 0) {
          if (this.waiting.length === 0) return;
          continue;
        }
        this.running = batch.compact().map((slot) => this.running[slot]);
        const jobs = this.running as Job[];
        const last = Int32Array.from(jobs, (job) => job.tokens.at(-1)!);
        await this.sample(batch, [...jobs.keys()], batch.step(last));
      }
    } catch (error) {
      batch.dispose();
      for (const job of [...this.running, ...this.waiting]) job?.reject(error);
      this.waiting = [];
    } finally {
      this.running = [];
      this.working = false;
      batch.dispose();
    }
  }

  private dropAborted(batch: DecodingBatch): void {
    const aborted = (job: Job | undefined): boolean => job?.signal?.aborted === true;
    const dropped = [...this.waiting, ...this.running].filter(aborted) as Job[];
    this.waiting = this.waiting.filter((job) => !aborted(job));
    this.leave(
      batch,
      [...this.running.keys()].filter((slot) => aborted(this.running[slot])),
    );
    for (const job of dropped) job.reject(job.signal!.reason);
  }

  /** Computes the prompts of those that there is room for, and their first tokens. */
  private async letIn(batch: DecodingBatch): Promise<void> {
    const jobs: Job[] = [];
    let promptTokens = 0;
    for (let job = this.waiting[0]; job !== undefined; job = this.waiting[0]) {
      if (job.maxNewTokens <= 0) {
        job.resolve({ tokens: new Int32Array(0), finishReason: 'length' });
      } else {
        promptTokens += job.prompt.length;
        if (jobs.length > 0 && promptTokens > this.maxPromptTokens) break;
        if (!this.hasRoom([...this.running.filter((other) => other !== undefined), ...jobs, job])) break;
        jobs.push(job);
      }
      this.waiting.shift();
    }
    if (jobs.length === 0) return;
    let added;
    try {
      added = batch.add(jobs.map((job) => job.prompt));
    } catch (error) {
      // Whoever asked for them is told of it, as of a failure of any other step.
      this.waiting.unshift(...jobs);
      throw error;
    }
    const { slots, logits } = added;
    slots.forEach((slot, i) => (this.running[slot] = jobs[i]));
    await this.sample(batch, slots, logits);
  }

  /** Whether the keys and values of these fit at their full length; every slot is as long as the longest. */
  private hasRoom(jobs: readonly Job[]): boolean {
    const longest = Math.max(...jobs.map((job) => job.prompt.length + job.maxNewTokens));
    return (
      jobs.length === 1 || (jobs.length <= this.maxSequences && jobs.length * longest <= this.maxCacheTokens)
    );
  }

  /** Draws the next token of each slot from its row of logits, and lets those that ended leave. Disposes the logits. */
  private async sample(
    batch: DecodingBatch,
    slots: readonly number[],
    logits: ReturnType<DecodingBatch['step']>,
  ): Promise<void> {
    const width = logits.shape[1];
    const values = await logits.data<'float32'>().finally(() => logits.dispose());
    const ended: { slot: number; job: Job; stopped: boolean }[] = [];
    slots.forEach((slot, row) => {
      const job = this.running[slot]!;
      const own = values.subarray(row * width, (row + 1) * width);
      const id = sampleToken(own, job.sampling, job.random);
      const atStopToken = job.stopIds.has(id);
      if (!atStopToken) job.tokens.push(id);
      const stopped = job.onToken?.(id, own) === true || atStopToken;
      if (stopped || job.tokens.length >= job.maxNewTokens) ended.push({ slot, job, stopped });
    });
    this.leave(
      batch,
      ended.map(({ slot }) => slot),
    );
    for (const { job, stopped } of ended) {
      job.resolve({ tokens: Int32Array.from(job.tokens), finishReason: stopped ? 'stop' : 'length' });
    }
  }

  /** Frees slots; the memory of all when none is at work any more, before anybody hears of it. */
  private leave(batch: DecodingBatch, slots: readonly number[]): void {
    for (const slot of slots) {
      this.running[slot] = undefined;
      batch.release(slot);
    }
    if (this.load.running === 0) this.running = batch.compact().map((slot) => this.running[slot]);
  }
}
