/** How many tokens stage one computes at one time. */
import { InputError, formatByteSize } from '@selective-dpo/foundation';
import { resolveLimits } from '@selective-dpo/data';
import {
  headChunkRows,
  memoryRoom,
  scoringMemory,
  type EngineMemory,
  type MemoryDemand,
  type MemoryRoom,
  type ModelConfig,
} from '@selective-dpo/model';
import type { ScoreOptions } from './score-options.js';

export const DEFAULT_BATCH_TOKENS = 4096;

/**
 * Tokens of a batch: as asked for, halved until it fits into `options.memoryLimit`. It is part of what a cache is keyed
 * by, and depends on the options, the model and the engine alone.
 * @throws InputError `memory-limit` when not even the longest pair that the limits allow would fit.
 */
export function batchTokensWithin(
  options: Pick<ScoreOptions, 'batchTokens' | 'memoryLimit' | 'limits' | 'topLogprobs'>,
  model: ModelConfig,
  engine: EngineMemory,
): number {
  const { batchTokens = DEFAULT_BATCH_TOKENS, memoryLimit } = options;
  if (memoryLimit === undefined) return batchTokens;
  const room = memoryRoom(memoryLimit, engine);
  // A prompt and two responses; a pair is never cut.
  const longest = 2 * resolveLimits(options.limits ?? {}).maxLength;
  const demandOf = (tokens: number) =>
    scoringMemory(
      model,
      { tokens, longest, logitRows: headChunkRows(model.vocabSize) },
      options.topLogprobs !== undefined,
    );
  let tokens = batchTokens;
  while (demandOf(Math.max(tokens, longest)).total > room.bytes) {
    if (tokens <= longest) throw tooSmall(memoryLimit, room, engine.processBytes, demandOf(longest), longest);
    tokens = Math.max(longest, Math.floor(tokens / 2));
  }
  return tokens;
}

function tooSmall(
  limit: number,
  room: MemoryRoom,
  processBytes: number,
  demand: MemoryDemand,
  longest: number,
): InputError {
  return new InputError('memory-limit', 'scoring does not fit into the memory allowed', {
    field: '--memory-limit',
    found: room.engineBound ?? formatByteSize(limit),
    expected:
      `at least ${formatByteSize(processBytes + demand.total)}: the process ${formatByteSize(processBytes)}, weights ` +
      `${formatByteSize(demand.state)}, one layer or chunk of logits at work ${formatByteSize(demand.work)} for the longest ` +
      `pair that --max-length allows, ${longest} tokens`,
    hint: `${room.hint}, lower --max-length, or use a smaller reference`,
  });
}
