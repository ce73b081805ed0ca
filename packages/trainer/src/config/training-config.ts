/** Every key of a training run: its type, limits, default and meaning. One table serves parsing, errors and help. */
import { MEMORY_LIMIT_EXPECTED, NO_LIMIT, parseMemoryLimit } from '@selective-dpo/foundation';
import { z } from 'zod';
import { ENGINE_CHOICES } from '@selective-dpo/model';
import { DISTILLATION_RESTS } from '../loss/distillation-loss.js';
import { LOSS_TYPES } from '../loss/pair-loss.js';
import { LR_SCHEDULES } from '../optimisation/learning-rate.js';
import { SELECTION_RULES } from '../selection/select-tokens.js';
import { REF_TRUSTS } from '../trust/pair-trust.js';

const count = (least: number) => z.number().int().min(least);

export const trainingConfigSchema = z.strictObject({
  keep: z.number().gt(0).lte(1).default(0.4).describe('share of response tokens to optimise; 1 is plain DPO'),
  selection: z
    .enum(SELECTION_RULES)
    .default('quantile')
    .describe('rule that selects the tokens; default all with loss=sft and loss=distillation'),
  selectionFrom: z
    .enum(['policy', 'initial'])
    .default('policy')
    .describe('select by the policy as it is, or once by the initial one (frozen, as SePO)'),
  spanUnit: z.enum(['window', 'sentence']).default('window').describe('selection=span: what to average over'),
  spanWindow: count(1)
    .refine((n) => n % 2 === 1, 'an odd number')
    .default(5)
    .describe('selection=span: window width in tokens'),
  beta: z.number().gt(0).default(0.1).describe('strength of the pull towards the reference'),
  loss: z
    .enum(LOSS_TYPES)
    .default('sigmoid')
    .describe('sigmoid (DPO), ipo; on chosen alone sft or distillation'),
  labelSmoothing: z.number().gte(0).lt(0.5).default(0).describe('cDPO: assumed share of flipped preferences'),
  distillationTopN: count(0)
    .default(0)
    .describe('loss=distillation: likeliest tokens to learn from; 0 takes all in the cache'),
  distillationRest: z
    .enum(DISTILLATION_RESTS)
    .default('bucket')
    .describe('loss=distillation: what becomes of all other tokens'),
  rpoAlpha: z.number().gte(0).default(0).describe('weight of the NLL term on chosen responses'),
  lengthNormalization: z
    .boolean()
    .default(false)
    .describe('average log-ratios over kept tokens (ipo always does)'),
  refTrust: z
    .enum(REF_TRUSTS)
    .default('ignore')
    .describe(
      'pairs that the reference orders wrongly: ignore (train on all alike), weight (by how far it agrees), drop (leave out)',
    ),
  refTrustScale: z
    .number()
    .gt(0)
    .default(0.25)
    .describe('refTrust=weight: margin in nats a token at which a pair’s trust is 0.73'),
  learningRate: z.number().gt(0).default(1e-6).describe('peak learning rate'),
  lrSchedule: z.enum(LR_SCHEDULES).default('linear').describe('decay after warm-up'),
  warmupSteps: count(0).default(0).describe('optimiser steps of linear warm-up'),
  weightDecay: z.number().gte(0).default(0).describe('decoupled decay of matrices'),
  adamBeta1: z.number().gte(0).lt(1).default(0.9).describe('decay of the first moment'),
  adamBeta2: z.number().gte(0).lt(1).default(0.999).describe('decay of the second moment'),
  adamEpsilon: z.number().gt(0).default(1e-8).describe('added to the root of the second moment'),
  maxGradNorm: z.number().gte(0).default(1).describe('clip the global gradient norm to this; 0 turns it off'),
  batchSize: count(1).default(8).describe('pairs in one forward and backward pass'),
  gradientAccumulationSteps: count(1).default(1).describe('passes in one optimiser step'),
  epochs: z.number().gt(0).default(1).describe('passes over the training pairs'),
  maxSteps: count(-1)
    .refine((n) => n !== 0, '-1 (off) or at least 1')
    .default(-1)
    .describe('optimiser steps; overrides epochs; -1 is off'),
  shuffle: z
    .boolean()
    .default(true)
    .describe('new order every epoch, from the seed; false keeps the order of the cache'),
  seed: count(0).default(0).describe('decides order, split and random selection'),
  evalFraction: z.number().gte(0).lt(1).default(0).describe('share of the pairs held out for evaluation'),
  evalEvery: count(0)
    .default(0)
    .describe('optimiser steps between evaluations; 0: only before the first and after the last'),
  saveEvery: count(0).default(0).describe('optimiser steps between checkpoints; 0 writes none'),
  saveTotalLimit: count(1).default(2).describe('checkpoints kept; older ones are removed'),
  microBatchTokens: count(1)
    .default(4096)
    .describe('tokens computed at one time; memory, never a value, depends on it'),
  activations: z
    .enum(['keep', 'recompute'])
    .default('keep')
    .describe('recompute saves memory for more time; exact either way'),
  memoryLimit: z.coerce
    .string()
    .refine((text) => parseMemoryLimit(text) !== undefined, MEMORY_LIMIT_EXPECTED)
    .default(NO_LIMIT)
    .describe(
      'memory the process may take, e.g. 16GiB; then activations and microBatchTokens are the fastest that fit',
    ),
  tensorboard: z.boolean().default(true).describe('write TensorBoard event files beside metrics.jsonl'),
  engine: z.enum(ENGINE_CHOICES).default('auto').describe('kernels'),
  precision: z.enum(['fp32', 'bf16-matmul']).default('fp32').describe('precision of matrix products'),
});

export type TrainingConfig = z.infer<typeof trainingConfigSchema>;
export type TrainingKey = keyof TrainingConfig;

export const TRAINING_KEYS = Object.keys(trainingConfigSchema.shape) as TrainingKey[];

/** One line a key, for help: name, default, meaning. */
export function describeTrainingKeys(): { key: TrainingKey; default: string; meaning: string }[] {
  const defaults = trainingConfigSchema.parse({});
  return TRAINING_KEYS.map((key) => {
    const { description = '' } = trainingConfigSchema.shape[key];
    const choices = choicesOf(key);
    const named = choices.every((choice) => description.includes(choice));
    const meaning = named ? description : `${description}: ${choices.join(', ')}`;
    return { key, default: String(defaults[key]), meaning };
  });
}

/** The values a key allows where they are a list. */
function choicesOf(key: TrainingKey): readonly string[] {
  const inner = trainingConfigSchema.shape[key].unwrap();
  return inner instanceof z.ZodEnum ? inner.options.map(String) : [];
}
