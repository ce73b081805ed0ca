/** Scores with a model on this machine: prompts computed once a pair, pairs of like length together, by token budget. */
import { setImmediate } from 'node:timers/promises';
import type { TokenizedPair } from '@selective-dpo/foundation';
import type { CausalLM } from '@selective-dpo/model';
import { batchesByTokens, packedLength, type Engine, type SharedPromptSequence } from '@selective-dpo/model';
import type { PairLogps, Scorer } from './scorer.js';

export class LocalScorer implements Scorer {
  readonly identity: Record<string, string | number>;

  /**
   * @param batchTokens tokens computed at one time; a longer pair stands alone. Part of the identity: batch composition
   *   moves the last bits of a float32 sum.
   * @param topLogprobs likeliest tokens to give in the place of each response token.
   */
  constructor(
    private readonly model: CausalLM,
    engine: Engine,
    private readonly batchTokens: number,
    private readonly topLogprobs?: number,
  ) {
    this.identity = LocalScorer.identityOf(engine, batchTokens);
  }

  /** The identity a scorer on this engine will have, known before the model is loaded. */
  static identityOf(engine: Engine, batchTokens: number): Record<string, string | number> {
    return { kind: 'local', batchTokens, ...engine.describe() };
  }

  async score(
    pairs: readonly TokenizedPair[],
    onScored: (pairs: number, tokens: number) => void,
  ): Promise<PairLogps[]> {
    const sequences = pairs.map((pair) => ({
      prompt: pair.promptIds,
      responses: [pair.chosenIds, pair.rejectedIds],
    }));
    const lengths = sequences.map(packedLength);
    const scored = new Array<PairLogps>(pairs.length);
    for (const members of batchesByTokens(lengths, this.batchTokens)) {
      const logps = await this.scoreBatch(members.map((i) => sequences[i]!));
      members.forEach((place, i) => (scored[place] = logps[i]!));
      onScored(
        members.length,
        members.reduce((sum, i) => sum + lengths[i]!, 0),
      );
      // Kernels run on this thread: let signals and timers in between batches.
      await setImmediate();
    }
    return scored;
  }

  private async scoreBatch(sequences: readonly SharedPromptSequence[]): Promise<PairLogps[]> {
    if (this.topLogprobs === undefined) {
      const logps = await this.model.logps(sequences);
      return logps.map(([chosen, rejected]) => ({ chosen: chosen!, rejected: rejected! }));
    }
    const { logps, top } = await this.model.mostLikely(sequences, this.topLogprobs);
    return logps.map(([chosen, rejected], i) => {
      const [ofChosen, ofRejected] = top[i]!;
      return {
        chosen: chosen!,
        rejected: rejected!,
        top: {
          chosenIds: ofChosen!.ids,
          chosenLogps: ofChosen!.logps,
          rejectedIds: ofRejected!.ids,
          rejectedLogps: ofRejected!.logps,
        },
      };
    });
  }

  dispose(): void {
    this.model.dispose();
  }
}
