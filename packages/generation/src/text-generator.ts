/** A model directory opened for generation: engine, weights, tokenizer, chat template and end tokens, loaded once. */
import { InputError, Interrupted, ProgressMeter, type ProgressListener } from '@selective-dpo/foundation';
import {
  conversationIds,
  loadPairTokenizer,
  textPromptIds,
  type Message,
  type PairTokenizer,
} from '@selective-dpo/data';
import {
  CausalLM,
  generate,
  openEngine,
  type Engine,
  type EngineName,
  type EnginePrecision,
} from '@selective-dpo/model';
import type { Answer, AnswerRequest } from './answer.js';

export interface TextGeneratorOptions {
  /** Directory with the tokenizer and chat template; the model's own by default. */
  tokenizerDirectory?: string | undefined;
  /** Text of a Jinja chat template in place of the tokenizer's own. */
  chatTemplate?: string | undefined;
  engine?: 'auto' | EngineName | undefined;
  precision?: EnginePrecision | undefined;
  /** Answers generated together. Default 16. */
  batchSize?: number | undefined;
  listener?: ProgressListener | undefined;
}

/**
 * Opens a Hugging Face model directory.
 * @throws InputError, InputErrors for a directory that is damaged, incomplete or not supported.
 */
export async function openTextGenerator(
  directory: string,
  options: TextGeneratorOptions = {},
): Promise<TextGenerator> {
  const tokenizer = await loadPairTokenizer(options.tokenizerDirectory ?? directory, {
    chatTemplate: options.chatTemplate,
  });
  const engine = await openEngine(options.engine ?? 'auto', { precision: options.precision ?? 'fp32' });
  return new TextGenerator(await CausalLM.load(directory), tokenizer, engine, options.batchSize ?? 16);
}

/** Belongs to whoever opened it: `dispose` frees the weights. */
export class TextGenerator {
  constructor(
    readonly model: CausalLM,
    readonly tokenizer: PairTokenizer,
    readonly engine: Engine,
    private readonly batchSize: number,
  ) {}

  /**
   * An answer to every conversation, in the order given. Messages go through the chat template.
   * @throws InputError `conversation-unreadable`, `prompt-too-long`; Interrupted when `signal` stopped it.
   */
  generateAnswers(
    conversations: Iterable<readonly Message[]>,
    request: AnswerRequest = {},
  ): AsyncGenerator<Answer> {
    return this.continue(
      [...conversations].map((messages) => conversationIds(this.tokenizer, messages)),
      request,
    );
  }

  /** A continuation of every text, in the order given. @throws as {@link generateAnswers}. */
  generateTexts(prompts: Iterable<string>, request: AnswerRequest = {}): AsyncGenerator<Answer> {
    return this.continue(
      [...prompts].map((text) => textPromptIds(this.tokenizer, text)),
      request,
    );
  }

  private async *continue(prompts: number[][], request: AnswerRequest): AsyncGenerator<Answer> {
    const meter = new ProgressMeter('generate', 'answers', prompts.length);
    prompts.forEach((prompt, index) => this.refuseLongPrompt(prompt, index));
    for (let begin = 0; begin < prompts.length; begin += this.batchSize) {
      if (request.signal?.aborted) throw new Interrupted('generation stopped', 'run the same command again');
      const batch = prompts.slice(begin, begin + this.batchSize);
      for (const [i, { tokens, finishReason }] of (await this.answerBatch(batch, request)).entries()) {
        const text = this.tokenizer.decode(tokens, { skipSpecialTokens: true });
        request.listener?.(meter.advance(1));
        yield { index: begin + i, text, tokens, finishReason, promptTokens: batch[i]!.length };
      }
    }
  }

  private async answerBatch(
    batch: number[][],
    { maxNewTokens = 256, temperature = 0, topK = 0, topP = 1, seed = 0 }: AnswerRequest,
  ): Promise<Pick<Answer, 'tokens' | 'finishReason'>[]> {
    const { maxPositionEmbeddings } = this.model.config;
    const rooms = batch.map(({ length }) => Math.min(maxNewTokens, maxPositionEmbeddings - length));
    const results = await generate(
      this.model,
      batch.map((ids) => Int32Array.from(ids)),
      {
        ...{ maxNewTokens: Math.max(...rooms), stopIds: [this.tokenizer.eosTokenId], seed },
        sampling: { temperature, topK, topP },
      },
    );
    return results.map((tokens, i) => ({
      tokens: tokens.slice(0, rooms[i]),
      finishReason: tokens.length < rooms[i]! ? 'stop' : 'length',
    }));
  }

  private refuseLongPrompt({ length }: number[], index: number): void {
    const { maxPositionEmbeddings } = this.model.config;
    if (length < maxPositionEmbeddings) return;
    throw new InputError('prompt-too-long', 'a prompt fills the context of the model', {
      row: index,
      found: `${length} tokens`,
      expected: `at most ${maxPositionEmbeddings - 1}`,
      hint: 'shorten it',
    });
  }

  dispose(): void {
    this.model.dispose();
  }
}
