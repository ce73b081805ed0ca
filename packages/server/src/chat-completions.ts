/** `/v1/chat/completions`: answers to conversations, through the model's chat template. */
import { mixSeeds } from '@selective-dpo/foundation';
import { type Answer, type ContinueRequest, type TextGenerator } from '@selective-dpo/generation';
import {
  allOrNone,
  decodingOf,
  newEnvelope,
  seedOf,
  usageOf,
  type Envelope,
  type Exchange,
} from './exchange.js';
import { chatLogprobs } from './logprob-format.js';
import type { ChatRequest, RequestReader } from './request-schema.js';
import { refuseCharacters } from './text-length.js';

export class ChatHandler {
  constructor(
    private readonly generator: TextGenerator,
    private readonly reader: RequestReader,
    private readonly modelId: string,
  ) {}

  /** The answer, or undefined where it went out as a stream. @throws ApiError, InputError. */
  async run({ body, signal, stream }: Exchange): Promise<object | undefined> {
    const request = this.reader.readChat(body);
    const n = request.n ?? 1;
    this.reader.checkChoices(1, n);
    const prompt = this.generator.encodeAny({ messages: this.messagesOf(request) });
    const envelope = newEnvelope('chatcmpl', this.modelId);
    const seed = seedOf(request);
    const chunk = (index: number, delta: object, finish_reason: string | null): void =>
      stream.send({
        ...{ ...envelope, object: 'chat.completion.chunk' },
        choices: [{ index, delta, logprobs: null, finish_reason }],
      });
    const answers = await allOrNone([...Array(n).keys()], signal, async (index, either) => {
      const own: ContinueRequest = {
        ...decodingOf(request, this.generator),
        maxNewTokens: request.max_completion_tokens ?? request.max_tokens ?? undefined,
        topLogps: request.logprobs === true ? (request.top_logprobs ?? 0) : undefined,
        ...{ seed: mixSeeds(seed, index), signal: either },
      };
      if (request.stream !== true) return this.generator.complete(prompt, own);
      let begun = false;
      const begin = (): void => {
        if (!begun) chunk(index, { role: 'assistant', content: '' }, null);
        begun = true;
      };
      const onText = (piece: string): void => {
        begin();
        chunk(index, { content: piece }, null);
      };
      const answer = await this.generator.complete(prompt, { ...own, onText });
      begin();
      chunk(index, {}, answer.finishReason);
      return answer;
    });
    const completionTokens = answers.reduce((sum, { tokens }) => sum + tokens.length, 0);
    const usage = usageOf(prompt.ids.length, completionTokens);
    if (request.stream !== true) return this.answer(envelope, request, answers, usage);
    if (request.stream_options?.include_usage === true) {
      stream.send({ ...envelope, object: 'chat.completion.chunk', choices: [], usage });
    }
    stream.end();
    return undefined;
  }

  private answer(envelope: Envelope, request: ChatRequest, answers: Answer[], usage: object): object {
    const { tokenizer } = this.generator;
    return {
      ...envelope,
      object: 'chat.completion',
      choices: answers.map(({ text, finishReason, logps, tokens }, index) => ({
        index,
        message: { role: 'assistant', content: text, refusal: null },
        // Without the end token, which is no part of the message.
        logprobs: request.logprobs === true ? chatLogprobs(tokenizer, logps.slice(0, tokens.length)) : null,
        finish_reason: finishReason,
      })),
      usage,
    };
  }

  private messagesOf({ messages }: ChatRequest): { role: string; content: string }[] {
    const read = messages.map(({ role, content }) => ({
      role,
      content: typeof content === 'string' ? content : content.map(({ text }) => text).join(''),
    }));
    const characters = read.reduce((sum, { content }) => sum + content.length, 0);
    refuseCharacters(characters, this.generator.contextLength, 'messages');
    return read;
  }
}
