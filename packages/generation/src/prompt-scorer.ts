/** Log-probs of given tokens: what a harness asks for when it compares answers by their likelihood. */
import { setImmediate } from 'node:timers/promises';
import type { TokenIds } from '@selective-dpo/foundation';
import { batchesByTokens, type CausalLM, type MostLikely } from '@selective-dpo/model';

/** Log-probs of a sequence's tokens behind the first, in nats, and of every next token's place the most likely ones. */
export interface ScoredPrompt {
  /** [T − 1] of the tokens 1 … T − 1. */
  logps: Float32Array;
  /** [T · n] the likeliest tokens at the places 1 … T: the last is what would follow. */
  top: MostLikely;
}

interface Job {
  ids: TokenIds;
  resolve: (scored: { logps: Float32Array; top: MostLikely; width: number }) => void;
  reject: (reason: unknown) => void;
  top: number;
  signal: AbortSignal | undefined;
}

/** Scores what is asked at about the same time together, by token budget. */
export class PromptScorer {
  private waiting: Job[] = [];
  private working = false;

  constructor(
    private readonly model: CausalLM,
    private readonly batchTokens = 4096,
  ) {}

  /**
   * @param ids at least one; @param top most likely tokens asked for at each place, from 1 to V.
   * @throws RangeError for no ids or one outside the vocabulary; the signal's reason; what the engine throws.
   */
  async score(ids: TokenIds, top: number, signal?: AbortSignal): Promise<ScoredPrompt> {
    const { vocabSize } = this.model.config;
    if (ids.length === 0 || ids.some((id) => id < 0 || id >= vocabSize)) {
      throw new RangeError('token ids of the vocabulary expected, at least one');
    }
    const scored = await new Promise<Parameters<Job['resolve']>[0]>((resolve, reject) => {
      this.waiting.push({ ids, top, signal, resolve, reject });
      if (!this.working) void this.work();
    });
    return { logps: scored.logps.subarray(0, ids.length - 1), top: narrowed(scored.top, scored.width, top) };
  }

  private async work(): Promise<void> {
    this.working = true;
    try {
      for (;;) {
        await setImmediate();
        for (const job of this.waiting) if (job.signal?.aborted === true) job.reject(job.signal.reason);
        this.waiting = this.waiting.filter((job) => job.signal?.aborted !== true);
        if (this.waiting.length === 0) return;
        const [members] = batchesByTokens(
          this.waiting.map((job) => job.ids.length),
          this.batchTokens,
        );
        const jobs = members!.map((i) => this.waiting[i]!);
        this.waiting = this.waiting.filter((job) => !jobs.includes(job));
        await this.run(jobs);
      }
    } finally {
      this.working = false;
    }
  }

  private async run(jobs: readonly Job[]): Promise<void> {
    const width = Math.max(...jobs.map((job) => job.top));
    // A token more at the end makes the place behind the last one count, too.
    const sequences = jobs.map(({ ids }) => ({
      prompt: ids.slice(0, 1),
      responses: [Int32Array.of(...ids.subarray(1), 0)],
    }));
    try {
      const { logps, top } = await this.model.mostLikely(sequences, width);
      jobs.forEach((job, i) => job.resolve({ logps: logps[i]![0]!, top: top[i]![0]!, width }));
    } catch (error) {
      for (const job of jobs) job.reject(error);
    }
  }
}

/** The first `top` of every `width`. */
function narrowed({ ids, logps }: MostLikely, width: number, top: number): MostLikely {
  if (width === top) return { ids, logps };
  const first = (_: unknown, i: number): boolean => i % width < top;
  return { ids: ids.filter(first), logps: logps.filter(first) };
}
