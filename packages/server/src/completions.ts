/** `/v1/completions`: continuations of texts or token ids, and log-probs of given ones. */
import { setImmediate } from 'node:timers/promises';
import { mixSeeds } from '@selective-dpo/foundation';
import {
  CONTEXT_OF_TEXT,
  type ContinueRequest,
  type EncodedPrompt,
  type FinishReason,
  type TextGenerator,
} from '@selective-dpo/generation';
import { ApiError } from './api-error.js';
import { textWithOffsets } from './echoed-text.js';
import {
  allOrNone,
  decodingOf,
  newEnvelope,
  seedOf,
  usageOf,
  type Envelope,
  type Exchange,
} from './exchange.js';
import { MAX_CHARACTERS } from './limits.js';
import { refuseCharacters, tooManyCharacters } from './text-length.js';
import { completionLogprobs, pairsOf, placedToken, type PlacedToken } from './logprob-format.js';
import type { CompletionRequest, RequestReader } from './request-schema.js';

/** OpenAI's default. */
const DEFAULT_MAX_TOKENS = 16;

/** One prompt of a request. */
interface Given {
  prompt: EncodedPrompt;
  /** Where it is echoed: its text, and the characters before each of its tokens. */
  echo: { text: string; offsets: number[] };
  /** Its own log-probs, once they were asked for. */
  scored?: Promise<Scored>;
}

/** One of the answers to a prompt. */
interface Choice {
  index: number;
  given: Given;
}

/** The tokens of a prompt, and the most likely next ones. */
interface Scored {
  placed: PlacedToken[];
  next: [id: number, logp: number][];
}

/** What became of a choice: tokens of the prompt (where echoed) and generated ones. */
interface Outcome {
  text: string;
  finishReason: FinishReason;
  completionTokens: number;
  placed: PlacedToken[];
}

export class CompletionHandler {
  constructor(
    private readonly generator: TextGenerator,
    private readonly reader: RequestReader,
    private readonly modelId: string,
  ) {}

  /** The answer, or undefined where it went out as a stream. @throws ApiError, InputError. */
  async run({ body, signal, stream }: Exchange): Promise<object | undefined> {
    const request = this.reader.readCompletion(body);
    const n = request.n ?? 1;
    const prompts = promptsOf(request.prompt);
    this.reader.checkChoices(prompts.length, n);
    const encoded = await this.encodeAll(prompts, request.echo === true);
    const choices = encoded.flatMap((given, i) =>
      Array.from({ length: n }, (_, j): Choice => ({ index: i * n + j, given })),
    );
    const promptTokens = encoded.reduce((sum, { prompt }) => sum + prompt.ids.length, 0);
    const envelope = newEnvelope('cmpl', this.modelId);
    const seed = seedOf(request);
    const chunk = (index: number, text: string, finish_reason: string | null): void =>
      stream.send({ ...chunkOf(envelope), choices: [{ index, text, logprobs: null, finish_reason }] });
    const outcomes = await allOrNone(choices, signal, async (choice, either) => {
      const own: ContinueRequest = {
        ...decodingOf(request, this.generator),
        maxNewTokens: request.max_tokens ?? DEFAULT_MAX_TOKENS,
        ...{ seed: mixSeeds(seed, choice.index), signal: either },
      };
      if (request.stream !== true) return this.complete(choice, request, own);
      if (request.echo === true) chunk(choice.index, choice.given.echo.text, null);
      const onText = (piece: string): void => chunk(choice.index, piece, null);
      const outcome = await this.complete(choice, request, { ...own, onText });
      chunk(choice.index, '', outcome.finishReason);
      return outcome;
    });
    const usage = usageOf(
      promptTokens,
      outcomes.reduce((sum, { completionTokens }) => sum + completionTokens, 0),
    );
    if (request.stream !== true) return this.answer(envelope, request, outcomes, usage);
    if (request.stream_options?.include_usage === true)
      stream.send({ ...chunkOf(envelope), choices: [], usage });
    stream.end();
    return undefined;
  }

  private answer(envelope: Envelope, request: CompletionRequest, outcomes: Outcome[], usage: object): object {
    const wanted = (request.logprobs ?? undefined) !== undefined;
    return {
      ...chunkOf(envelope),
      choices: outcomes.map(({ text, finishReason, placed }, index) => ({
        ...{ index, text, finish_reason: finishReason },
        logprobs: wanted ? completionLogprobs(this.generator.tokenizer, placed) : null,
      })),
      usage,
    };
  }

  /** One after the other: what runs already goes on in between. */
  private async encodeAll(prompts: readonly (string | readonly number[])[], echo: boolean): Promise<Given[]> {
    const characters = prompts.reduce((sum, one) => sum + (typeof one === 'string' ? one.length : 0), 0);
    if (characters > MAX_CHARACTERS) throw tooManyCharacters(MAX_CHARACTERS, 'prompt');
    const encoded: Given[] = [];
    for (const given of prompts) {
      const prompt = this.encode(given);
      this.generator.refuseLength(prompt);
      const read = echo ? textWithOffsets(this.generator.tokenizer, [], prompt.ids) : NO_ECHO;
      encoded.push({ prompt, echo: echo && typeof given === 'string' ? { ...read, text: given } : read });
      await setImmediate();
    }
    return encoded;
  }

  private encode(prompt: string | readonly number[]): EncodedPrompt {
    if (typeof prompt === 'string') {
      refuseCharacters(prompt.length, this.generator.contextLength, 'prompt');
      return this.generator.encodeAny({ text: prompt });
    }
    const { vocabSize } = this.generator.model.config;
    if (prompt.some((id) => id >= vocabSize)) {
      throw new ApiError(400, `a token id that is not below ${vocabSize}`, 'invalid_value', 'prompt');
    }
    return { ids: Int32Array.from(prompt), kind: 'continuation' };
  }

  private async complete(
    { given }: Choice,
    request: CompletionRequest,
    own: ContinueRequest,
  ): Promise<Outcome> {
    const top = request.logprobs ?? undefined;
    // Once for all answers to a prompt.
    if (request.echo === true && top !== undefined) given.scored ??= this.scored(given, top, own);
    const scored = await given.scored;
    const maxNewTokens = own.maxNewTokens!;
    const generated =
      scored !== undefined && (maxNewTokens === 0 || (maxNewTokens === 1 && own.temperature === 0))
        ? this.nextOf(scored, given, { ...own, maxNewTokens, topLogps: top })
        : await this.generated(given, top, own);
    const base = given.echo.text.length;
    return {
      ...generated,
      text: given.echo.text + generated.text,
      placed: [
        ...(scored?.placed ?? []),
        ...generated.placed.map((token) => ({ ...token, offset: base + token.offset })),
      ],
    };
  }

  private async scored(
    { prompt: { ids }, echo: { offsets } }: Given,
    top: number,
    { signal }: ContinueRequest,
  ): Promise<Scored> {
    const asked = Math.max(1, top);
    const { logps, top: ranked } = await this.generator.score(ids, asked, signal);
    const placed = Array.from(ids, (id, i): PlacedToken => {
      if (i === 0) return { id, logp: null, top: [], offset: 0 };
      const own = { id, logp: logps[i - 1]! };
      return { ...own, top: pairsOf(ranked, i - 1, asked, own).slice(0, top), offset: offsets[i]! };
    });
    return { placed, next: pairsOf(ranked, ids.length - 1, asked) };
  }

  /** A greedy continuation by no token, or by the one that scoring the prompt has given. */
  private nextOf({ next }: Scored, { prompt: { ids } }: Given, own: ContinueRequest): Outcome {
    if (own.maxNewTokens === 0) return { text: '', finishReason: 'length', completionTokens: 0, placed: [] };
    const [id, logp] = next[0]!;
    const { stop, stopIds } = this.generator.decodingOf(own);
    const ended = stopIds.has(id);
    const { text } = textWithOffsets(this.generator.tokenizer, tail(ids), ended ? [] : [id]);
    const cut = Math.min(...stop.map((one) => text.indexOf(one)).filter((at) => at >= 0), text.length);
    return {
      text: text.slice(0, cut),
      finishReason: ended || cut < text.length ? 'stop' : 'length',
      completionTokens: ended ? 0 : 1,
      placed: [{ id, logp, top: next.slice(0, own.topLogps), offset: 0 }],
    };
  }

  private async generated(
    { prompt }: Given,
    top: number | undefined,
    own: ContinueRequest,
  ): Promise<Outcome> {
    const { text, tokens, logps, finishReason } = await this.generator.complete(prompt, {
      ...own,
      topLogps: top,
    });
    const { offsets } = textWithOffsets(
      this.generator.tokenizer,
      tail(prompt.ids),
      logps.map(({ id }) => id),
    );
    const placed = logps.map((token, i) => placedToken(token, Math.min(offsets[i]!, text.length)));
    return { text, finishReason, completionTokens: tokens.length, placed };
  }
}

const NO_ECHO = { text: '', offsets: [] };

function tail(ids: Int32Array): number[] {
  return [...ids.slice(-CONTEXT_OF_TEXT)];
}

function chunkOf(envelope: Envelope): object {
  return { ...envelope, object: 'text_completion' };
}

function promptsOf(prompt: CompletionRequest['prompt']): (string | readonly number[])[] {
  if (typeof prompt === 'string') return [prompt];
  return typeof prompt[0] === 'number' ? [prompt as number[]] : (prompt as string[] | number[][]);
}
