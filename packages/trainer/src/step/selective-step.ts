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
import type { TopLogps } from '../loss/distillation-loss.js';
import { pairLoss, type PairLossOptions } from '../loss/pair-loss.js';
import type { PairLoss } from '../loss/preference-loss.js';
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
  /** What is kept of it, where that was decided before the first step. */
  frozen?: PairSelection | undefined;
  /** Factor on its loss and gradients in training, 1 where it is left out. */
  weight?: number;
}

/** How a batch is turned into a loss. */
export interface Objective {
  selection: SelectionOptions;
  loss: PairLossOptions;
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
 * Loss and gradients of one optimiser batch; the loss is the mean over its pairs, each times its weight. The receiver owns the gradients.
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
      own.map((pair) => sequenceOf(pair, objective)),
      (logps) => {
        const policy = own.map((pair, i) => policyOutput(pair, logps[i]!, objective));
        const selections = chosenAhead
          ? members.map((i) => chosenAhead[i]!)
          : selectionsOf(own, policy, objective);
        return members.map((place, i) => {
          const outcome = outcomeOf(own[i]!, policy[i]!, selections[i]!, objective, pairs.length);
          outcomes[place] = outcome;
          return gradientsOf(outcome.loss);
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
  const policy = await policyOutputs(model, pairs, batches, objective, micro);
  const selections = selectionsOf(pairs, policy, objective);
  return pairs.map((pair, i) => outcomeOf(pair, policy[i]!, selections[i]!, objective, 1));
}

/** Rule `batch` needs the scores of the whole optimiser batch before the first gradient. */
async function selectAcross(
  model: CausalLM,
  pairs: readonly CachedPair[],
  batches: number[][],
  objective: Objective,
  micro: MicroBatching,
): Promise<PairSelection[]> {
  return selectionsOf(pairs, await policyOutputs(model, pairs, batches, objective, micro), objective);
}

/** Decided before the first step, or from the policy as it is now. */
function selectionsOf(
  pairs: readonly CachedPair[],
  policy: readonly PolicyOutput[],
  objective: Objective,
): PairSelection[] {
  const frozen = pairs.flatMap((pair) => pair.frozen ?? []);
  if (frozen.length === pairs.length) return frozen;
  return selectTokens(
    policy.map(({ input }) => input),
    objective.selection,
    objective.endsSentence,
  );
}

/** What the policy says of a pair. */
interface PolicyOutput {
  input: SelectionInput;
  /** Under distillation. */
  top?: TopLogps;
}

async function policyOutputs(
  model: CausalLM,
  pairs: readonly CachedPair[],
  batches: number[][],
  objective: Objective,
  micro: MicroBatching,
): Promise<PolicyOutput[]> {
  const outputs = new Array<PolicyOutput>(pairs.length);
  for (const members of batches) {
    const sequences = members.map((i) => sequenceOf(pairs[i]!, objective));
    const logps = await model.logps(sequences, { logitRows: micro.logitRows });
    members.forEach((place, i) => (outputs[place] = policyOutput(pairs[place]!, logps[i]!, objective)));
  }
  return outputs;
}

/** Groups of at most `micro.pairs` in the order given, each cut by tokens: indices into `pairs`. */
function microBatches(pairs: readonly CachedPair[], micro: MicroBatching): number[][] {
  const lengths = pairs.map(tokensOfPair);
  const batches: number[][] = [];
  for (let begin = 0; begin < pairs.length; begin += micro.pairs) {
    const group = batchesByTokens(lengths.slice(begin, begin + micro.pairs), micro.tokens);
    batches.push(...group.map((members) => members.map((i) => begin + i)));
  }
  return batches;
}

function tokensOf(pairs: readonly CachedPair[]): number {
  return pairs.reduce((sum, pair) => sum + tokensOfPair(pair), 0);
}

function tokensOfPair({ row }: CachedPair): number {
  return packedLength({ prompt: row.promptIds, responses: [row.chosenIds, row.rejectedIds] });
}

/** Under distillation the reference's likeliest tokens are candidates in the place of every chosen token. */
function sequenceOf({ row }: CachedPair, { loss }: Objective): SharedPromptSequence {
  const sequence = { prompt: row.promptIds, responses: [row.chosenIds, row.rejectedIds] };
  if (loss.type !== 'distillation') return sequence;
  const candidates = firstOfEach(row.refTop!.chosenIds, row.chosenIds.length, loss.distillation!.topN);
  return { ...sequence, candidates: [candidates] };
}

/** Of [T · N] values the first n in each of T places, all where n is 0: [T · n]. */
function firstOfEach<List extends Int32Array | Float32Array>(list: List, places: number, n: number): List {
  const each = list.length / places;
  return (n === 0 || n === each ? list : list.filter((_, i) => i % each < n)) as List;
}

/** @param logps of the chosen response, those of its candidates behind them, and of the rejected one. */
function policyOutput(
  { index, row }: CachedPair,
  [chosen, rejected]: Float32Array[],
  { loss, seed }: Objective,
): PolicyOutput {
  const { length } = row.chosenIds;
  const input = {
    logps: {
      policyChosen: chosen!.subarray(0, length),
      policyRejected: rejected!,
      refChosen: row.chosenRefLogps,
      refRejected: row.rejectedRefLogps,
    },
    chosenIds: row.chosenIds,
    rejectedIds: row.rejectedIds,
    seed: mixSeeds(seed, index),
  };
  if (loss.type !== 'distillation') return { input };
  const ref = firstOfEach(row.refTop!.chosenLogps, length, loss.distillation!.topN);
  return { input, top: { ref, policy: chosen!.subarray(length) } };
}

/** ∂loss/∂logp as the model takes it: a list a response, candidates behind its tokens. */
function gradientsOf({ chosenGradient, rejectedGradient, candidateGradient }: PairLoss): Float32Array[] {
  if (candidateGradient === undefined) return [chosenGradient, rejectedGradient];
  const chosen = new Float32Array(chosenGradient.length + candidateGradient.length);
  chosen.set(chosenGradient);
  chosen.set(candidateGradient, chosenGradient.length);
  return [chosen, rejectedGradient];
}

/** @param pairs of the optimiser batch, which the loss is the mean over. */
function outcomeOf(
  pair: CachedPair,
  { input, top }: PolicyOutput,
  selection: PairSelection,
  objective: Objective,
  pairs: number,
): PairOutcome {
  const { index: row, weight } = pair;
  const loss = pairLoss(input.logps, selection, objective.loss, (weight ?? 1) / pairs, top);
  return { row, input, selection, loss, ...(weight === undefined ? {} : { weight }) };
}
