/** What is asked of a generator and what comes back. */
import type { ProgressListener } from '@selective-dpo/foundation';
import type { RankedLogps } from '@selective-dpo/model';

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
  /** Of every token and of the end token, where {@link ContinueRequest.topLogps} asks for them. */
  logps: RankedLogps[];
}

/** How the next token is chosen and when to end. What is absent is the model's: see {@link resolveDecoding}. */
export interface DecodingOptions {
  /** Most tokens of an answer. Cut where prompt and answer would pass the model's context. */
  maxNewTokens?: number | undefined;
  /** 0 is greedy: always the most likely token. */
  temperature?: number | undefined;
  /** Only the k most likely tokens; 0 is off. */
  topK?: number | undefined;
  /** Only the most likely tokens whose probabilities add up to p, in (0, 1]; 1 is off. */
  topP?: number | undefined;
  /** Texts that end an answer; they are not part of it. */
  stop?: readonly string[] | undefined;
  /** Tokens that end an answer, beside the model's own end tokens. */
  stopIds?: readonly number[] | undefined;
}

/** One prompt. */
export interface ContinueRequest extends DecodingOptions {
  /** Equal seeds give equal answers. Default 0. */
  seed?: number | undefined;
  /** Log-probs of the answer's tokens, and of so many of the most likely tokens of each place. Absent: none. */
  topLogps?: number | undefined;
  /** Told every piece of the answer's text as it comes, and the number of tokens so far. */
  onText?: ((piece: string, tokens: number) => void) | undefined;
  /** Stops before the next token: the promise is rejected with the signal's reason. */
  signal?: AbortSignal | undefined;
}

/** A list of prompts. */
export interface AnswerRequest extends DecodingOptions {
  /**
   * Default 0. A number: each prompt draws from its own sequence, by its place in the list, and batches change nothing. A list:
   * one seed a prompt.
   */
  seed?: number | readonly number[] | undefined;
  /** Told progress in answers. */
  listener?: ProgressListener | undefined;
  /** Stops before the next token: the iteration throws Interrupted. */
  signal?: AbortSignal | undefined;
  /** Told every piece of text of each answer as it comes. */
  onText?: ((index: number, piece: string) => void) | undefined;
}
