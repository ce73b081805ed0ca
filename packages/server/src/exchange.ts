/** What a handler has to do with one request. */
import { randomInt, randomUUID } from 'node:crypto';
import type { DecodingOptions, TextGenerator } from '@selective-dpo/generation';
import type { EventStream } from './event-stream.js';
import type { SharedRequest } from './request-schema.js';

export interface Exchange {
  body: unknown;
  /** Set when the client is gone or the server closes. */
  signal: AbortSignal;
  stream: EventStream;
}

export interface Usage {
  prompt_tokens: number;
  completion_tokens: number;
  total_tokens: number;
}

/** The fields that every object of one answer has. */
export interface Envelope {
  id: string;
  created: number;
  model: string;
}

export function newEnvelope(prefix: string, model: string): Envelope {
  return { id: `${prefix}-${randomUUID()}`, created: Math.floor(Date.now() / 1000), model };
}

export function usageOf(promptTokens: number, completionTokens: number): Usage {
  return {
    prompt_tokens: promptTokens,
    completion_tokens: completionTokens,
    total_tokens: promptTokens + completionTokens,
  };
}

/** OpenAI's defaults (temperature 1, nothing cut off), where the model's generation_config.json has none. */
export function decodingOf(
  request: SharedRequest,
  { generationConfig: own }: TextGenerator,
): DecodingOptions {
  const { stop } = request;
  return {
    temperature: request.temperature ?? own.temperature ?? 1,
    topP: request.top_p ?? own.topP ?? 1,
    topK: request.top_k ?? own.topK ?? 0,
    stop: typeof stop === 'string' ? [stop] : (stop ?? []),
  };
}

/** Of a request that names none, another one each time. */
export function seedOf({ seed }: SharedRequest): number {
  return seed ?? randomInt(2 ** 31);
}

/** Runs all, and stops the others when one fails. */
export async function allOrNone<Item, Result>(
  items: readonly Item[],
  signal: AbortSignal,
  run: (item: Item, signal: AbortSignal) => Promise<Result>,
): Promise<Result[]> {
  const stop = new AbortController();
  const either = AbortSignal.any([signal, stop.signal]);
  const running = items.map((item) => run(item, either));
  try {
    return await Promise.all(running);
  } finally {
    stop.abort();
    await Promise.allSettled(running);
  }
}
