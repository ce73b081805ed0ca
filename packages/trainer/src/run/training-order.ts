/** Which pairs each optimiser step sees. Depends on the number of pairs, the seed and the batch only. */
import { epochOrder } from '@selective-dpo/data';
import type { TrainingConfig } from '../config/training-config.js';

export class TrainingOrder {
  /** Pairs of a full optimiser step. */
  readonly pairsPerStep: number;
  readonly stepsPerEpoch: number;
  readonly totalSteps: number;
  private cached: { epoch: number; order: Uint32Array } | undefined;

  /** @param rows rows of the cache that are trained on. */
  constructor(
    private readonly rows: Uint32Array,
    private readonly config: Pick<
      TrainingConfig,
      'batchSize' | 'gradientAccumulationSteps' | 'epochs' | 'maxSteps' | 'shuffle' | 'seed'
    >,
  ) {
    this.pairsPerStep = config.batchSize * config.gradientAccumulationSteps;
    this.stepsPerEpoch = Math.ceil(rows.length / this.pairsPerStep);
    this.totalSteps = config.maxSteps > 0 ? config.maxSteps : Math.ceil(config.epochs * this.stepsPerEpoch);
  }

  /** Rows of the cache that step `step` (0-based) sees; the last step of an epoch may be smaller. */
  rowsOfStep(step: number): number[] {
    const begin = (step % this.stepsPerEpoch) * this.pairsPerStep;
    const order = this.orderOfEpoch(Math.floor(step / this.stepsPerEpoch));
    return Array.from(order.subarray(begin, begin + this.pairsPerStep), (place) => this.rows[place]!);
  }

  /** Rows of the cache that the run sees, each once. */
  rowsSeen(): Uint32Array {
    if (this.totalSteps >= this.stepsPerEpoch) return this.rows;
    const steps = Array.from({ length: this.totalSteps }, (_, step) => this.rowsOfStep(step));
    return Uint32Array.from(steps.flat()).sort();
  }

  private orderOfEpoch(epoch: number): Uint32Array {
    if (this.cached?.epoch !== epoch) {
      const { shuffle, seed } = this.config;
      const order = shuffle ? epochOrder(this.rows.length, seed, epoch) : Uint32Array.from(this.rows.keys());
      this.cached = { epoch, order };
    }
    return this.cached.order;
  }
}
