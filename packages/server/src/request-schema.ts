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
const stopText = z.string().min(1).max(MAX_STOP_LENGTH);
const ids = z
  .array(
    z
      .number()
      .int()
      .min(0)
      .max(2 ** 31 - 1),
  )
  .min(1);

/** Settings that are taken only with the value that does nothing. */
const neutral = {
  presence_penalty: z.literal(0).nullish(),
  frequency_penalty: z.literal(0).nullish(),
  logit_bias: z.strictObject({}).nullish(),
  user: z.string().max(1000).nullish(),
  metadata: z.record(z.string().max(100), z.string().max(1000)).nullish(),
  store: z.literal(false).nullish(),
};

function sharedFields({ maxChoices }: ServerLimits) {
  return {
    model: z.string().max(1000).nullish(),
    max_tokens: z
      .number()
      .int()
      .min(0)
      .max(1 << 26)
      .nullish(),
    temperature: z.number().min(0).max(100).nullish(),
    top_p: z.number().gt(0).max(1).nullish(),
    top_k: z
      .number()
      .int()
      .min(0)
      .max(1 << 26)
      .nullish(),
    seed: z.number().int().safe().nullish(),
    n: z.number().int().min(1).max(maxChoices).nullish(),
    stop: z.union([stopText, z.array(stopText).max(MAX_STOPS)]).nullish(),
    stream: z.boolean().nullish(),
    stream_options: z.strictObject({ include_usage: z.boolean().nullish() }).nullish(),
    ...neutral,
  };
}

function completionSchema(limits: ServerLimits) {
  return z.strictObject({
    ...sharedFields(limits),
    prompt: z.union(
      [text, ids, z.array(text).min(1).max(limits.maxChoices), z.array(ids).min(1).max(limits.maxChoices)],
      'a text, a list of texts, token ids, or a list of lists of token ids',
    ),
    echo: z.boolean().nullish(),
    logprobs: z.number().int().min(0).max(limits.maxLogprobs).nullish(),
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
    messages: z.array(message).min(1).max(10_000),
    max_completion_tokens: z
      .number()
      .int()
      .min(0)
      .max(1 << 26)
      .nullish(),
    logprobs: z.boolean().nullish(),
    top_logprobs: z.number().int().min(0).max(limits.maxLogprobs).nullish(),
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

function explained(issue: z.core.$ZodIssue): ApiError {
  if (issue.code === 'unrecognized_keys') {
    const key = issue.keys[0]!.slice(0, 100);
    return new ApiError(
      400,
      `not a parameter that is supported: ${JSON.stringify(key)}`,
      'unknown_parameter',
      key,
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
