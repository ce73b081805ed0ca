/** One pair of a cache, token by token, as the reference and a policy see it and as the trainer selects it. */
import { InputError, mixSeeds, quoteValue } from '@selective-dpo/foundation';
import type { CacheReader, CacheRow } from '@selective-dpo/data';
import { CausalLM, openEngine } from '@selective-dpo/model';
import {
  alignmentScores,
  evaluatedBatches,
  objectiveOfStep,
  openPolicy,
  selectTokens,
  type EvaluatedBatch,
  type PairOutcome,
  type PairSelection,
  type Policy,
  type Side,
  type TrainingConfig,
} from '@selective-dpo/trainer';

/** A response token. Log-probs and scores in nats. */
export interface PairToken {
  id: number;
  refLogp: number;
  policyLogp?: number;
  /** Alignment score: high where training is due. */
  score?: number;
  /** Whether the loss is computed on it. */
  kept?: boolean;
}

export interface TokensOfPair {
  index: number;
  row: CacheRow;
  tokens: Record<Side, PairToken[]>;
  /** Scores that each side was cut at; NaN where none applies. */
  thresholds?: Record<Side, number>;
}

/** Random selection draws anew in each step. */
const FIRST_STEP = 1;

/** Rules that look at no policy. */
const WITHOUT_POLICY: ReadonlySet<string> = new Set(['all', 'random']);

/**
 * The place of a pair in a cache.
 * @param wanted a 0-based place where there is one of that number, else the `pair_id`.
 * @throws InputError `pair-unknown`.
 */
export async function findPair(cache: CacheReader, wanted: string): Promise<number> {
  const place = /^\d{1,15}$/.test(wanted) ? Number(wanted) : NaN;
  if (place < cache.rowCount) return place;
  let index = 0;
  for await (const { pairId } of cache.rows()) {
    if (pairId === wanted) return index;
    index++;
  }
  throw new InputError('pair-unknown', 'the cache has no such pair', {
    file: cache.directory,
    found: quoteValue(wanted),
    expected: `a pair_id, or a place from 0 to ${cache.rowCount - 1}`,
  });
}

/** Pairs of one cache under one policy, or under none. */
export class PairInspector {
  private constructor(
    private readonly cache: CacheReader,
    private readonly opened: { policy: Policy; model: CausalLM } | undefined,
  ) {}

  /**
   * @param engine where the policy is computed.
   * @param policyDirectory the policy. Without one only rules that look at none select, and there are no scores.
   * @throws InputError for a policy that the cache was not made for, and those of its files.
   */
  static async open(
    cache: CacheReader,
    { engine, precision }: Pick<TrainingConfig, 'engine' | 'precision'>,
    policyDirectory?: string,
  ): Promise<PairInspector> {
    if (policyDirectory === undefined) return new PairInspector(cache, undefined);
    const policy = await openPolicy(policyDirectory, cache, cache.directory);
    await openEngine(engine, { precision });
    return new PairInspector(cache, { policy, model: await CausalLM.load(policyDirectory) });
  }

  /**
   * A pair as the first step of a training with these settings would see it, in a batch by itself.
   * @throws InputError `token-out-of-range`, and those of the cache.
   */
  async tokens(index: number, config: TrainingConfig): Promise<TokensOfPair> {
    const row = await this.cache.row(index);
    if (this.opened !== undefined) {
      const { input, selection } = await this.outcome(index, config);
      const { policyChosen, policyRejected } = input.logps;
      return described(index, row, selection, { chosen: policyChosen, rejected: policyRejected });
    }
    if (!WITHOUT_POLICY.has(config.selection)) return described(index, row, undefined);
    const { chosenRefLogps: refChosen, rejectedRefLogps: refRejected, chosenIds, rejectedIds } = row;
    const { selection: options, seed } = objectiveOfStep(config, () => false, FIRST_STEP);
    const logps = { policyChosen: refChosen, policyRejected: refRejected, refChosen, refRejected };
    const input = { logps, chosenIds, rejectedIds, seed: mixSeeds(seed, index) };
    return described(index, row, selectTokens([input], options)[0]);
  }

  dispose(): void {
    this.opened?.model.dispose();
  }

  /** By the trainer's own path. The loss is of no interest here, and that of distillation would need more of the cache. */
  private async outcome(index: number, config: TrainingConfig): Promise<PairOutcome> {
    const { model, policy } = this.opened!;
    const row = async (at: number) => {
      const found = await this.cache.row(at);
      policy.refuseUnknownIds(found, false);
      return found;
    };
    const endsSentence = (id: number) => policy.endsSentence(id);
    const objective = objectiveOfStep({ ...config, loss: 'sigmoid' }, endsSentence, FIRST_STEP);
    const micro = { pairs: 1, tokens: config.microBatchTokens, activations: config.activations };
    const batches = evaluatedBatches(model, { row }, Uint32Array.of(index), objective, micro);
    const { value } = (await batches.next()) as { value: EvaluatedBatch };
    return value.outcomes[0]!;
  }
}

function described(
  index: number,
  row: CacheRow,
  selection: PairSelection | undefined,
  policy?: Record<Side, Float32Array>,
): TokensOfPair {
  const side = (name: Side, ids: Int32Array, ref: Float32Array): PairToken[] => {
    const own = policy?.[name];
    const scores = own && alignmentScores(name, own, ref);
    return Array.from(ids, (id, t) => ({
      ...{ id, refLogp: ref[t]! },
      ...(own === undefined ? {} : { policyLogp: own[t]!, score: scores![t]! }),
      ...(selection === undefined ? {} : { kept: selection[name][t] === 1 }),
    }));
  };
  return {
    ...{ index, row },
    tokens: {
      chosen: side('chosen', row.chosenIds, row.chosenRefLogps),
      rejected: side('rejected', row.rejectedIds, row.rejectedRefLogps),
    },
    ...(selection && {
      thresholds: { chosen: selection.chosenThreshold, rejected: selection.rejectedThreshold },
    }),
  };
}
