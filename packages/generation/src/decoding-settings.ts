/** From what was asked for, and what the model's generation_config.json says, to how tokens are chosen. */
import { InputError, InputErrors, quoteValue } from '@selective-dpo/foundation';
import type { GenerationConfig, SamplingOptions } from '@selective-dpo/model';
import type { DecodingOptions } from './answer.js';

/** Most tokens of an answer where neither the request nor the model says. */
export const DEFAULT_MAX_NEW_TOKENS = 256;

/** transformers' top-k for sampling where nothing else is said. */
export const DEFAULT_TOP_K = 50;

/** Highest temperature: beyond it all tokens are alike. */
export const MAX_TEMPERATURE = 100;

export interface DecodingSettings {
  maxNewTokens: number;
  sampling: SamplingOptions;
  stop: readonly string[];
  stopIds: ReadonlySet<number>;
}

/**
 * As transformers' `generate`: greedy unless the model's generation_config.json samples; sampling at temperature 1 with top-k 50
 * where neither says otherwise. A temperature, top-k or top-p asked for asks for sampling, temperature 0 for greedy.
 * @param eosTokenIds end tokens of the model.
 * @throws InputErrors `decoding-option` with every option that makes no sense.
 */
export function resolveDecoding(
  options: DecodingOptions,
  config: GenerationConfig,
  eosTokenIds: readonly number[],
): DecodingSettings {
  checkOptions(options);
  const asked = options.topK !== undefined || options.topP !== undefined;
  const sampled = options.temperature ?? (config.doSample || asked ? (config.temperature ?? 1) : 0);
  return {
    maxNewTokens: options.maxNewTokens ?? config.maxNewTokens ?? DEFAULT_MAX_NEW_TOKENS,
    sampling: {
      temperature: sampled,
      topK: options.topK ?? config.topK ?? DEFAULT_TOP_K,
      topP: options.topP ?? config.topP ?? 1,
    },
    stop: [...(options.stop ?? []), ...config.stopStrings],
    stopIds: new Set([...eosTokenIds, ...(options.stopIds ?? [])]),
  };
}

function checkOptions({ maxNewTokens, temperature, topK, topP, stop, stopIds }: DecodingOptions): void {
  const problems: InputError[] = [];
  const check = (field: string, value: unknown, allowed: boolean, expected: string): void => {
    if (value === undefined || allowed) return;
    problems.push(
      new InputError('decoding-option', 'an option of the generation makes no sense', {
        field,
        found: quoteValue(value),
        expected,
      }),
    );
  };
  const whole = (value: number | undefined): boolean => Number.isSafeInteger(value) && value! >= 0;
  check('maxNewTokens', maxNewTokens, whole(maxNewTokens), 'a whole number of at least 0');
  const warm = temperature! >= 0 && temperature! <= MAX_TEMPERATURE;
  check('temperature', temperature, warm, `a number from 0 to ${MAX_TEMPERATURE}`);
  check('topK', topK, whole(topK), 'a whole number of at least 0');
  check('topP', topP, topP! > 0 && topP! <= 1, 'a number above 0 and up to 1');
  const texts = stop?.every((text) => typeof text === 'string' && text !== '') === true;
  check('stop', stop, texts, 'texts that are not empty');
  check('stopIds', stopIds, stopIds?.every(whole) === true, 'token ids');
  if (problems.length > 0) throw new InputErrors(problems);
}
