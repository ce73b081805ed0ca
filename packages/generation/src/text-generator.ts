/** A model directory opened for generation: engine, weights, tokenizer, chat template and end tokens, loaded once. */
import {
  Interrupted,
  ProgressMeter,
  SeededRandom,
  mixSeeds,
  type ProgressListener,
} from '@selective-dpo/foundation';
import { HUMAN_MARK, loadPairTokenizer, type Message, type PairTokenizer } from '@selective-dpo/data';
import {
  CausalLM,
  ContinuousBatch,
  openEngine,
  rankedLogps,
  readGenerationConfig,
  type Engine,
  type EngineName,
  type EnginePrecision,
  type GenerationConfig,
  type RankedLogps,
} from '@selective-dpo/model';
import { AnswerText } from './answer-text.js';
import type { Answer, AnswerRequest, ContinueRequest, DecodingOptions } from './answer.js';
import { resolveDecoding, type DecodingSettings } from './decoding-settings.js';
import {
  encodePrompt,
  encodePrompts,
  refuseLength,
  type EncodedPrompt,
  type Prompt,
} from './encoded-prompt.js';
import { PromptScorer, type ScoredPrompt } from './prompt-scorer.js';
import { CONTEXT_OF_TEXT } from './text-stream.js';

export interface TextGeneratorOptions {
  /** Directory with the tokenizer and chat template; the model's own by default. */
  tokenizerDirectory?: string | undefined;
  /** Text of a Jinja chat template in place of the tokenizer's own. */
  chatTemplate?: string | undefined;
  engine?: 'auto' | EngineName | undefined;
  precision?: EnginePrecision | undefined;
  /** Answers generated together. Default 16. */
  batchSize?: number | undefined;
  /** Told notices, e.g. of settings in generation_config.json that are not supported. */
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
  const config = await readGenerationConfig(directory);
  const engine = await openEngine(options.engine ?? 'auto', { precision: options.precision ?? 'fp32' });
  const ignored = Object.entries(config.ignored).map(([key, value]) => `${key} ${JSON.stringify(value)}`);
  if (ignored.length > 0) {
    const message = `${directory}: generation_config.json asks for what is not supported, it is left out: ${ignored.join(', ')}`;
    options.listener?.({ type: 'notice', code: 'generation-setting-ignored', message });
  }
  return new TextGenerator(await CausalLM.load(directory), tokenizer, engine, config, options.batchSize);
}

/** Belongs to whoever opened it: `dispose` frees the weights. */
export class TextGenerator {
  private readonly batch: ContinuousBatch;
  private readonly scorer: PromptScorer;
  private readonly eosTokenIds: readonly number[];
  private readonly batchSize: number;

  constructor(
    readonly model: CausalLM,
    readonly tokenizer: PairTokenizer,
    readonly engine: Engine,
    readonly generationConfig: GenerationConfig,
    batchSize = 16,
  ) {
    this.batchSize = batchSize;
    this.batch = new ContinuousBatch(model, { maxSequences: batchSize });
    this.scorer = new PromptScorer(model);
    const own = generationConfig.eosTokenIds;
    this.eosTokenIds = [tokenizer.eosTokenId, ...(own.length > 0 ? own : model.config.eosTokenIds)];
  }

  /** Tokens of prompt and answer together. */
  get contextLength(): number {
    return this.model.config.maxPositionEmbeddings;
  }

  /** How tokens are chosen for a request. @throws InputErrors `decoding-option`. */
  decodingOf(options: DecodingOptions): DecodingSettings {
    return resolveDecoding(options, this.generationConfig, this.eosTokenIds);
  }

  /**
   * An answer to every conversation, in the order given. Messages go through the chat template; without one, an answer ends where
   * the next turn of the user begins.
   * @throws InputError, InputErrors as {@link encodePrompts}; InputErrors `decoding-option`; Interrupted when `signal` stopped it.
   */
  generateAnswers(
    conversations: Iterable<readonly Message[]>,
    request: AnswerRequest = {},
  ): AsyncGenerator<Answer> {
    return this.generateEncoded(
      this.encode(Array.from(conversations, (messages) => ({ messages }))),
      request,
    );
  }

  /** A continuation of every text, in the order given. @throws as {@link generateAnswers}. */
  generateTexts(prompts: Iterable<string>, request: AnswerRequest = {}): AsyncGenerator<Answer> {
    return this.generateEncoded(this.encode(Array.from(prompts, (text) => ({ text }))), request);
  }

  /** Ids of one prompt of any length. @throws as {@link encodePrompt}. */
  encodeAny(prompt: Prompt): EncodedPrompt {
    return encodePrompt(this.tokenizer, prompt);
  }

  /** Ids of prompts that leave room for an answer. @throws as {@link encodePrompts}. */
  encode(prompts: readonly Prompt[]): EncodedPrompt[] {
    return encodePrompts(this.tokenizer, prompts, this.contextLength - 1);
  }

  /** @throws InputError `prompt-too-long`, `empty-prompt` for a prompt that the context has no place for. */
  refuseLength({ ids }: EncodedPrompt): void {
    refuseLength(ids.length, this.contextLength);
  }

  /** Log-probs of given ids: {@link PromptScorer.score}. @throws InputError `prompt-too-long`, `empty-prompt`. */
  async score(ids: Int32Array, top: number, signal?: AbortSignal): Promise<ScoredPrompt> {
    refuseLength(ids.length, this.contextLength);
    return this.scorer.score(ids, top, signal);
  }

  /** Sequences at work, and those that wait for room. */
  get load(): { running: number; waiting: number } {
    return this.batch.load;
  }

  dispose(): void {
    this.model.dispose();
  }

  /**
   * What follows one prompt, computed together with all others that are at work.
   * @throws InputError `prompt-too-long`, `empty-prompt`; InputErrors `decoding-option`; RangeError for an id outside the
   *   vocabulary; the signal's reason.
   */
  async complete({ ids, kind }: EncodedPrompt, request: ContinueRequest = {}): Promise<Answer> {
    refuseLength(ids.length, this.contextLength - 1);
    const settings = this.decodingOf(request);
    const untemplated = kind === 'answer' && !this.tokenizer.hasChatTemplate;
    const stop = untemplated ? [...settings.stop, HUMAN_MARK] : settings.stop;
    const before = kind === 'answer' ? [] : [...ids.slice(-CONTEXT_OF_TEXT)];
    let count = 0;
    const logps: RankedLogps[] = [];
    const text = new AnswerText(this.tokenizer, before, stop, (piece) => request.onText?.(piece, count));
    const { tokens, finishReason } = await this.batch.generate({
      prompt: ids,
      maxNewTokens: Math.min(settings.maxNewTokens, this.contextLength - ids.length),
      ...{ sampling: settings.sampling, stopIds: settings.stopIds, signal: request.signal },
      random: new SeededRandom(mixSeeds(request.seed ?? 0)),
      onToken: (id, logits) => {
        if (request.topLogps !== undefined) logps.push(rankedLogps(logits, id, request.topLogps));
        if (settings.stopIds.has(id)) return true;
        count++;
        return text.push(id);
      },
    });
    const stopped = text.end();
    return {
      ...{ index: 0, text: text.text, tokens, logps, promptTokens: ids.length },
      finishReason: stopped ? 'stop' : finishReason,
    };
  }

  /**
   * What follows every prompt, in the order given, however they end. So many are at work that a batch stays full while an early one
   * takes its time.
   * @throws as {@link generateAnswers}.
   */
  async *generateEncoded(
    prompts: readonly EncodedPrompt[],
    { seed = 0, listener, signal, onText, ...decoding }: AnswerRequest = {},
  ): AsyncGenerator<Answer> {
    const meter = new ProgressMeter('generate', 'answers', prompts.length);
    const stop = new AbortController();
    const signals = AbortSignal.any([stop.signal, ...(signal === undefined ? [] : [signal])]);
    const begun: Promise<Answer>[] = [];
    const begin = (index: number): Promise<Answer> => {
      const own = typeof seed === 'number' ? mixSeeds(seed, index) : (seed[index] ?? 0);
      const piece = onText && ((text: string): void => onText(index, text));
      const given = this.complete(prompts[index]!, {
        ...decoding,
        seed: own,
        signal: signals,
        onText: piece,
      });
      // A failure counts when its turn comes.
      given.catch(() => undefined);
      return given;
    };
    try {
      for (const index of prompts.keys()) {
        while (begun.length < Math.min(prompts.length, index + 2 * this.batchSize))
          begun.push(begin(begun.length));
        const done = await begun[index]!;
        listener?.(meter.advance(1));
        yield { ...done, index };
      }
    } catch (error) {
      throw signal?.aborted === true
        ? new Interrupted('generation stopped', 'run the same command again')
        : error;
    } finally {
      stop.abort();
      await Promise.allSettled(begun);
    }
  }
}
