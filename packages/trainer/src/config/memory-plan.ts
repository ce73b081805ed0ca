/**
 * From a limit on memory to how a step is computed. Values do not depend on it beyond float32 rounding, time does: the first
 * plan that fits is the fastest of those that do.
 */
import {
  InputError,
  NO_LIMIT,
  formatByteSize,
  parseMemoryLimit,
  type ProgressListener,
} from '@selective-dpo/foundation';
import type { CacheReader } from '@selective-dpo/data';
import {
  headChunkRows,
  memoryRoom,
  readModelConfig,
  trainingMemory,
  type ActivationPolicy,
  type EngineMemory,
  type MemoryDemand,
  type MemoryRoom,
  type ModelConfig,
  type PassSize,
} from '@selective-dpo/model';
import type { MicroBatching } from '../step/selective-step.js';
import type { TrainingConfig } from './training-config.js';

export interface MemoryPlan extends MicroBatching {
  /** Bytes that the process is expected to take. */
  expected: number;
  logitRows: number;
}

/** Rows of logits where the usual number is too many. */
const FEW_LOGIT_ROWS = 64;

/** Tokens below which cutting a batch further costs more time than computing activations anew. */
const LEAST_TOKENS_KEPT = 512;

type Settings = Pick<
  TrainingConfig,
  'memoryLimit' | 'activations' | 'microBatchTokens' | 'batchSize' | 'loss'
>;

/**
 * The fastest way to compute a step within `config.memoryLimit`; what the configuration says where there is none.
 * @param longest packed tokens of the longest pair: no batch can be cut below it.
 * @throws InputError `memory-limit` with the figures when nothing fits.
 */
export function planMemory(
  config: Settings,
  model: ModelConfig,
  engine: EngineMemory,
  longest: number,
): MemoryPlan | undefined {
  const limit = parseMemoryLimit(config.memoryLimit)!;
  if (limit === Infinity) return undefined;
  const room = memoryRoom(limit, engine);
  let least: { size: PassSize; demand: MemoryDemand } | undefined;
  for (const size of passSizes(config, model, longest)) {
    const demand = trainingMemory(model, size, config.loss === 'distillation');
    if (demand.total <= room.bytes) return planOf(config, size, engine.processBytes + demand.total);
    if (least === undefined || demand.total < least.demand.total) least = { size, demand };
  }
  throw tooSmall(config, room, engine.processBytes, least!);
}

/** From the fastest to the smallest. */
function* passSizes(config: Settings, model: ModelConfig, longest: number): Generator<PassSize> {
  const usual = headChunkRows(model.vocabSize);
  const policies: ActivationPolicy[] = config.activations === 'keep' ? ['keep', 'recompute'] : ['recompute'];
  for (const activations of policies) {
    const least = activations === 'keep' ? LEAST_TOKENS_KEPT : 1;
    for (const tokens of tokenCounts(config, longest, least)) {
      for (const logitRows of usual > FEW_LOGIT_ROWS ? [usual, FEW_LOGIT_ROWS] : [usual]) {
        yield { tokens, longest, logitRows, activations };
      }
    }
  }
}

/** Tokens of a micro-batch: as set, then half of it again and again, never below the longest pair. */
function* tokenCounts(
  { microBatchTokens, batchSize }: Settings,
  longest: number,
  least: number,
): Generator<number> {
  let tokens = Math.max(longest, Math.min(microBatchTokens, batchSize * longest));
  yield tokens;
  while (tokens > longest && tokens / 2 >= least) {
    tokens = Math.max(longest, Math.floor(tokens / 2));
    yield tokens;
  }
}

function planOf(
  config: Settings,
  { tokens, activations, logitRows }: PassSize,
  expected: number,
): MemoryPlan {
  return { pairs: config.batchSize, tokens, activations, logitRows, expected };
}

/** How steps are computed: as configured, or as the memory limit allows. @throws InputError as {@link planMemory}. */
export async function microBatching(
  {
    config,
    policyDirectory,
    listener,
  }: { config: TrainingConfig; policyDirectory: string; listener?: ProgressListener },
  cache: CacheReader,
  engine: EngineMemory,
): Promise<MicroBatching> {
  const { batchSize: pairs, microBatchTokens: tokens, activations, memoryLimit } = config;
  if (memoryLimit === NO_LIMIT) return { pairs, tokens, activations };
  const model = await readModelConfig(policyDirectory);
  const plan = planMemory(config, model, engine, await longestPair(cache))!;
  listener?.({ type: 'notice', code: 'memory-plan', message: describePlan(plan, memoryLimit) });
  return plan;
}

/** One line on what was chosen. */
export function describePlan(
  { activations, tokens, logitRows, expected }: MemoryPlan,
  limit: string,
): string {
  const kept = activations === 'keep' ? 'activations kept' : 'activations computed anew';
  return (
    `memory limit ${limit}: ${kept}, at most ${tokens} tokens and ${logitRows} rows of logits at a time, ` +
    `about ${formatByteSize(expected)} expected`
  );
}

function tooSmall(
  { memoryLimit }: Settings,
  room: MemoryRoom,
  processBytes: number,
  { size, demand }: { size: PassSize; demand: MemoryDemand },
): InputError {
  return new InputError('memory-limit', 'training does not fit into the memory allowed', {
    field: 'memoryLimit',
    found: room.engineBound ?? memoryLimit,
    expected:
      `at least ${formatByteSize(processBytes + demand.total)}: the process ${formatByteSize(processBytes)}, weights, ` +
      `gradients and moments ${formatByteSize(demand.state)}, activations ${formatByteSize(demand.activations)}, one layer or ` +
      `chunk of logits at work ${formatByteSize(demand.work)}, with activations computed anew and ${size.tokens} tokens ` +
      'at a time, the longest pair',
    hint: `${room.hint}, score with a smaller --max-length, or train a smaller policy`,
  });
}

/** Packed tokens of the longest pair: reads the whole cache once, at the speed of the disk. */
export async function longestPair(cache: CacheReader): Promise<number> {
  let longest = 0;
  for await (const { promptIds, chosenIds, rejectedIds } of cache.rows()) {
    longest = Math.max(longest, promptIds.length + chosenIds.length + rejectedIds.length);
  }
  return longest;
}
