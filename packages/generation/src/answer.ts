/** What is asked of a generator and what comes back. */
import type { ProgressListener } from '@selective-dpo/foundation';

/** `stop`: the end token; `length`: `maxNewTokens`, or the end of the model's context. */
export type FinishReason = 'stop' | 'length';

export interface Answer {
  /** 0-based place in the list of prompts. */
  index: number;
  /** Without special tokens. */
  text: string;
  /** The tokens generated, without the end token. */
  tokens: Int32Array;
  finishReason: FinishReason;
  /** Tokens of the prompt. */
  promptTokens: number;
}

/** How the next token is chosen and when to end. */
export interface DecodingOptions {
  /** Most tokens of an answer, default 256. Cut where prompt and answer would pass the model's context. */
  maxNewTokens?: number | undefined;
  /** 0, the default, is greedy: always the most likely token. */
  temperature?: number | undefined;
  /** Only the k most likely tokens; 0 is off. */
  topK?: number | undefined;
  /** Only the most likely tokens whose probabilities add up to p, in (0, 1]; 1 is off. */
  topP?: number | undefined;
  /** Equal seeds give equal answers to equal lists of prompts. Default 0. */
  seed?: number | undefined;
}

export interface AnswerRequest extends DecodingOptions {
  /** Told progress in answers. */
  listener?: ProgressListener | undefined;
  /** Stops before the next batch: the iteration throws Interrupted. */
  signal?: AbortSignal | undefined;
}
