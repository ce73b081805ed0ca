/** What is asked of a generator and what comes back. */
import type { ProgressListener } from '@selective-dpo/foundation';

/** `stop`: an end token or a stop string; `length`: `maxNewTokens`, or the end of the model's context. */
export type FinishReason = 'stop' | 'length';

export interface Answer {
  /** 0-based place in the list of prompts. */
  index: number;
  /** Without special tokens, without the stop string and what follows it. */
  text: string;
  /** The tokens generated, without the end token. */
  tokens: Int32Array;
  finishReason: FinishReason;
  /** Tokens of the prompt. */
  promptTokens: number;
}

/** How the next token is chosen and when to end. Absent values: {@link DecodingDefaults} of the model directory. */
export interface DecodingOptions {
  /** Most tokens of an answer. Cut where prompt and answer would pass the model's context. */
  maxNewTokens?: number | undefined;
  /** 0 is greedy: always the most likely token. */
  temperature?: number | undefined;
  /** Only the k most likely tokens; 0 is off. */
  topK?: number | undefined;
  /** Only the most likely tokens whose probabilities add up to p, in (0, 1]; 1 is off. */
  topP?: number | undefined;
  /** Equal seeds give equal answers; each prompt draws from its own sequence, by its place. Default 0. */
  seed?: number | undefined;
  /** Texts that end an answer; they are not part of it. */
  stop?: readonly string[] | undefined;
  /** Tokens that end an answer beside the model's own end tokens. */
  stopIds?: readonly number[] | undefined;
}

export interface AnswerRequest extends DecodingOptions {
  /** Told progress in answers, and notices. */
  listener?: ProgressListener | undefined;
  /** Stops before the next token: the iteration throws Interrupted. */
  signal?: AbortSignal | undefined;
  /** Called with every piece of text of an answer as it comes. */
  onText?: ((index: number, piece: string) => void) | undefined;
}
