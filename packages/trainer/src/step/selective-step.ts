/**
 * One optimiser batch: policy log-probs, selection, masked loss, gradients. The batch is computed in micro-batches
 * of pairs of like length; how it is cut changes memory and time, never a value beyond float32 rounding.
 */
import { mixSeeds } from '@selective-dpo/foundation';
import {
  batchesByTokens,
  packedLength,
  type ActivationPolicy,
  type CausalLM,
  type Gradients,
  type PhaseSeconds,
  type SharedPromptSequence,
} from '@selective-dpo/model';
import type { CacheRow } from '@selective-dpo/data';
import { preferenceLoss, type LossOptions } from '../loss/preference-loss.js';
import {
  selectTokens,
  type PairSelection,
  type SelectionInput,
  type SelectionOptions,
} from '../selection/select-tokens.js';
import type { PairOutcome } from './batch-metrics.js';

/** A row of the cache and where it stands there. */
export interface CachedPair {
  index: number;
  row: CacheRow;
}

/** How a batch is turned into a loss. */
export interface Objective {
  selection: SelectionOptions;
  loss: LossOptions;
  /** For selection over sentences. */
  endsSentence: (id: number) => boolean;
  /** Mixed with a pair's row into the seed of random selection; differs from step to step. */
  seed: number;
}

/** Bounds on memory; no value depends on them. */
export interface MicroBatching {
  /** Pairs computed together at most. */
  pairs: number;
  /** Tokens computed together at most, unless one pair alone is longer. */
  tokens: number;
  activations: ActivationPolicy;
  /** Rows whose logits are held at one time; default: as the model chooses. */
  logitRows?: number | undefined;
}

export interface StepResult {
  /** In the order of the pairs given. */
  outcomes: PairOutcome[];
  gradients: Gradients;
  seconds: PhaseSeconds;
  /** Tokens computed: each prompt once, each response once. */
  tokens: number;
}

/**
 * Loss and gradients of one optimiser batch; the loss is the mean over its pairs. The receiver owns the gradients.
 */
export async function selectiveStep(
  model: CausalLM,
  pairs: readonly CachedPair[],
  objective: Objective,
  micro: MicroBatching,
): Promise<StepResult> {
  const batches = microBatches(pairs, micro);
  const chosenAhead =
    objective.selection.rule === 'batch' && batches.length > 1
      ? await selectAcross(model, pairs, batches, objective, micro)
      : undefined;
  const outcomes = new Array<PairOutcome>(pairs.length);
  const gradients: Gradients = new Map();
  const seconds: PhaseSeconds = { forward: 0, head: 0, backward: 0 };
  for (const members of batches) {
    const own = members.map((i) => pairs[i]!);
    const pass = await model.forwardBackward(
      own.map(sequenceOf),
      (logps) => {
        const inputs = own.map((pair, i) => selectionInput(pair, logps[i]!, objective.seed));
        const selections = chosenAhead
          ? members.map((i) => chosenAhead[i]!)
          : selectTokens(inputs, objective.selection, objective.endsSentence);
        return members.map((place, i) => {
          const outcome = outcomeOf(own[i]!, inputs[i]!, selections[i]!, objective, 1 / pairs.length);
          outcomes[place] = outcome;
          return [outcome.loss.chosenGradient, outcome.loss.rejectedGradient];
        });
      },
      { activations: micro.activations, logitRows: micro.logitRows, gradients },
    );
    for (const phase of ['forward', 'head', 'backward'] as const) seconds[phase] += pass.seconds[phase];
  }
  return { outcomes, gradients, seconds, tokens: tokensOf(pairs) };
}

/** Outcomes without gradients, for evaluation. `pairs` is one selection batch. */
export async function evaluateBatch(
  model: CausalLM,
  pairs: readonly CachedPair[],
  objective: Objective,
  micro: MicroBatching,
): Promise<PairOutcome[]> {
  const batches = microBatches(pairs, micro);
  const inputs = await policyInputs(model, pairs, batches, objective.seed, micro);
  const selections = selectTokens(inputs, objective.selection, objective.endsSentence);
  return pairs.map((pair, i) => outcomeOf(pair, inputs[i]!, selections[i]!, objective, 1));
}

/** Rule `batch` needs the scores of the whole optimiser batch before the first gradient. */
async function selectAcross(
  model: CausalLM,
  pairs: readonly CachedPair[],
  batches: number[][],
  objective: Objective,
  micro: MicroBatching,
): Promise<PairSelection[]> {
  const inputs = await policyInputs(model, pairs, batches, objective.seed, micro);
  return selectTokens(inputs, objective.selection, objective.endsSentence);
}

async function policyInputs(
  model: CausalLM,
  pairs: readonly CachedPair[],
  batches: number[][],
  seed: number,
  micro: MicroBatching,
): Promise<SelectionInput[]> {
  const inputs = new Array<SelectionInput>(pairs.length);
  for (const members of batches) {
    const sequences = members.map((i) => sequenceOf(pairs[i]!));
    const logps = await model.logps(sequences, { logitRows: micro.logitRows });
    members.forEach((place, i) => (inputs[place] = selectionInput(pairs[place]!, logps[i]!, seed)));
  }
  return inputs;
}

/** Groups of at most `micro.pairs` in the order given, each cut by tokens: indices into `pairs`. */
function microBatches(pairs: readonly CachedPair[], micro: MicroBatching): number[][] {
  const lengths = pairs.map((pair) => packedLength(sequenceOf(pair)));
  const batches: number[][] = [];
  for (let begin = 0; begin < pairs.length; begin += micro.pairs) {
    const group = batchesByTokens(lengths.slice(begin, begin + micro.pairs), micro.tokens);
    batches.push(...group.map((members) => members.map((i) => begin + i)));
  }
  return batches;
}

function tokensOf(pairs: readonly CachedPair[]): number {
  return pairs.reduce((sum, pair) => sum + packedLength(sequenceOf(pair)), 0);
}

function sequenceOf({ row }: CachedPair): SharedPromptSequence {
  return { prompt: row.promptIds, responses: [row.chosenIds, row.rejectedIds] };
}

function selectionInput({ index, row }: CachedPair, logps: Float32Array[], seed: number): SelectionInput {
  return {
    logps: {
      policyChosen: logps[0]!,
      policyRejected: logps[1]!,
      refChosen: row.chosenRefLogps,
      refRejected: row.rejectedRefLogps,
    },
    chosenIds: row.chosenIds,
    rejectedIds: row.rejectedIds,
    seed: mixSeeds(seed, index),
  };
}

function outcomeOf(
  pair: CachedPair,
  input: SelectionInput,
  selection: PairSelection,
  objective: Objective,
  weight: number,
): PairOutcome {
  return {
    row: pair.index,
    input,
    selection,
    loss: preferenceLoss(input.logps, selection, objective.loss, weight),
  };
}
