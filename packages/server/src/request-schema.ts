/**
 * Requests of OpenAI's `/v1/completions` and `/v1/chat/completions`. What is not supported is refused by name: an answer that
 * leaves a setting out without a word is a wrong answer.
 */
import { z } from 'zod';
import { expectation } from '@selective-dpo/data';
import { ApiError } from './api-error.js';
import { MAX_STOPS, MAX_STOP_LENGTH, type ServerLimits } from './limits.js';

const MAX_TEXT = 1 << 20;
const text = z.string().max(MAX_TEXT);
const MAX_MESSAGES = 10_000;

/** A whole number of a range, which is what is said of any other. */
function whole(least: number, most: number) {
  return z.number().min(least).max(most).int();
}

export type RequestPrompt = string | number[] | string[] | number[][];

/** Checked by hand: a list of millions ends at its first fault. */
function isPrompt(value: unknown, most: number): value is RequestPrompt {
  if (isText(value)) return true;
  if (!Array.isArray(value) || value.length === 0) return false;
  if (isId(value[0])) return value.every(isId);
  if (value.length > most) return false;
  return value.every(isText) || value.every((one) => Array.isArray(one) && one.length > 0 && one.every(isId));
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value.length <= MAX_TEXT;
}

function isId(value: unknown): value is number {
  return Number.isInteger(value) && (value as number) >= 0 && (value as number) < 2 ** 31;
}

function isStop(value: unknown): value is string | string[] {
  const isOne = (one: unknown): boolean =>
    typeof one === 'string' && one !== '' && one.length <= MAX_STOP_LENGTH;
  return Array.isArray(value) ? value.length <= MAX_STOPS && value.every(isOne) : isOne(value);
}

/** By hand, since a schema of records leaves out a key `__proto__` without a word. */
function isMetadata(value: unknown): value is Record<string, string> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  return Object.entries(value).every(
    ([key, text]) => key.length <= 100 && typeof text === 'string' && text.length <= 1000,
  );
}

const STOP_EXPECTED = `a text of 1 to ${MAX_STOP_LENGTH} characters, or at most ${MAX_STOPS} of them`;

/** Settings that are taken only with the value that does nothing. */
const neutral = {
  presence_penalty: z.literal(0).nullish(),
  frequency_penalty: z.literal(0).nullish(),
  logit_bias: z.strictObject({}).nullish(),
  user: z.string().max(1000).nullish(),
  metadata: z.custom<Record<string, string>>(isMetadata, 'texts by name').nullish(),
  store: z.literal(false).nullish(),
};

function sharedFields({ maxChoices }: ServerLimits) {
  return {
    model: z.string().max(1000).nullish(),
    max_tokens: whole(0, 1 << 26).nullish(),
    temperature: z.number().min(0).max(100).nullish(),
    top_p: z.number().gt(0).max(1).nullish(),
    top_k: whole(0, 1 << 26).nullish(),
    seed: z.number().int().safe().nullish(),
    n: whole(1, maxChoices).nullish(),
    stop: z.custom<string | string[]>(isStop, STOP_EXPECTED).nullish(),
    stream: z.boolean().nullish(),
    stream_options: z.strictObject({ include_usage: z.boolean().nullish() }).nullish(),
    ...neutral,
  };
}

function completionSchema(limits: ServerLimits) {
  return z.strictObject({
    ...sharedFields(limits),
    prompt: z.custom<RequestPrompt>(
      (value) => isPrompt(value, limits.maxChoices),
      `a text, token ids, or at most ${limits.maxChoices} of either in a list`,
    ),
    echo: z.boolean().nullish(),
    logprobs: whole(0, limits.maxLogprobs).nullish(),
    best_of: z.number().int().nullish(),
    suffix: z.literal('').nullish(),
  });
}

const contentPart = z.strictObject({ type: z.literal('text'), text });
const message = z.strictObject({
  role: z.string().min(1).max(100),
  content: z.union([text, z.array(contentPart).min(1).max(1000)], 'a text, or parts of type text'),
  name: z.string().max(100).nullish(),
});

function chatSchema(limits: ServerLimits) {
  return z.strictObject({
    ...sharedFields(limits),
    messages: z.array(message).min(1).max(MAX_MESSAGES),
    max_completion_tokens: whole(0, 1 << 26).nullish(),
    logprobs: z.boolean().nullish(),
    top_logprobs: whole(0, limits.maxLogprobs).nullish(),
    response_format: z.strictObject({ type: z.literal('text') }).nullish(),
  });
}

export type CompletionRequest = z.infer<ReturnType<typeof completionSchema>>;
export type ChatRequest = z.infer<ReturnType<typeof chatSchema>>;
export type SharedRequest = Pick<ChatRequest, keyof ReturnType<typeof sharedFields>>;

/** Reads requests within a server's limits. */
export class RequestReader {
  private readonly completion;
  private readonly chat;

  /** @param modelId the one model that there is. */
  constructor(
    private readonly limits: ServerLimits,
    private readonly modelId: string,
  ) {
    this.completion = completionSchema(limits);
    this.chat = chatSchema(limits);
  }

  /** @throws ApiError 400, 404 for another model. */
  readCompletion(body: unknown): CompletionRequest {
    const request = this.read(this.completion, body);
    const { best_of: best, n } = request;
    if (best !== undefined && best !== null && best !== (n ?? 1)) {
      throw new ApiError(400, 'best_of is supported only where it equals n', 'unsupported_value', 'best_of');
    }
    this.checkStream(request, request.logprobs !== undefined && request.logprobs !== null);
    return request;
  }

  /** @throws ApiError as {@link readCompletion}. */
  readChat(body: unknown): ChatRequest {
    refuseCrowds(body);
    const request = this.read(this.chat, body);
    if (request.logprobs !== true && (request.top_logprobs ?? 0) > 0) {
      throw new ApiError(400, 'top_logprobs needs logprobs: true', 'invalid_value', 'top_logprobs');
    }
    this.checkStream(request, request.logprobs === true);
    return request;
  }

  private read<Schema extends z.ZodType<SharedRequest>>(schema: Schema, body: unknown): z.infer<Schema> {
    const result = schema.safeParse(body);
    if (!result.success) throw explained(result.error.issues[0]!);
    const { model } = result.data;
    if (model !== undefined && model !== null && model !== this.modelId) {
      throw new ApiError(
        404,
        `there is no such model; this server has ${this.modelId}`,
        'model_not_found',
        'model',
      );
    }
    return result.data;
  }

  private checkStream({ stream, stream_options: options }: SharedRequest, logprobs: boolean): void {
    if (stream === true && logprobs) {
      throw new ApiError(
        400,
        'logprobs are not supported together with stream',
        'unsupported_value',
        'logprobs',
      );
    }
    if (stream !== true && options !== undefined && options !== null) {
      throw new ApiError(400, 'stream_options needs stream: true', 'invalid_value', 'stream_options');
    }
  }

  /** @throws ApiError 400 for more answers than a request may ask for. */
  checkChoices(prompts: number, n: number): void {
    if (prompts * n <= this.limits.maxChoices) return;
    const message = `${prompts} prompts with ${n} answers each; at most ${this.limits.maxChoices} answers a request`;
    throw new ApiError(400, message, 'invalid_value', 'n');
  }
}

/** A schema looks at every element of a list, however many are wrong. @throws ApiError 400 for more than messages have. */
function refuseCrowds(body: unknown): void {
  const { messages } = (body ?? {}) as { messages?: unknown };
  if (!Array.isArray(messages)) return;
  let count = messages.length;
  for (const one of messages as ({ content?: unknown } | null)[]) {
    if (count > MAX_MESSAGES) break;
    const content = one?.content;
    if (Array.isArray(content)) count += content.length;
  }
  if (count <= MAX_MESSAGES) return;
  throw new ApiError(
    400,
    `more than ${MAX_MESSAGES} messages and parts of them`,
    'invalid_value',
    'messages',
  );
}

function explained(issue: z.core.$ZodIssue): ApiError {
  if (issue.code === 'unrecognized_keys') {
    const key = issue.keys[0]!.slice(0, 100);
    return new ApiError(
      400,
      `not a parameter that is supported: ${JSON.stringify(key)}`,
      'unknown_parameter',
      [...issue.path.map(String), key].join('.'),
    );
  }
  const param = issue.path.map(String).join('.').slice(0, 200);
  const place = param === '' ? 'the body' : param;
  return new ApiError(
    400,
    `${place}: expected ${expectation(issue)}`,
    'invalid_value',
    param === '' ? null : param,
  );
}
