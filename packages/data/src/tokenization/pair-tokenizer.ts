/** The policy's tokenizer and chat template, as every stage uses them. */
import { canonicalJson, InputError, sha256, type NoticeEvent } from '@selective-dpo/foundation';
import { BUILT_IN_RENDERING } from '../rows/dialogue-text.js';
import type { Message } from '../rows/preference-row.js';
import { ChatTemplate } from './chat-template.js';
import { LibraryTokenizer } from './library-tokenizer.js';
import { SpecialTokenRule } from './special-token-rule.js';
import { readTokenizerFiles, type TokenizerFiles } from './tokenizer-files.js';

export interface PairTokenizerOptions {
  /** A chat template (Jinja text) to use in place of the model's own. */
  chatTemplate?: string | undefined;
  /** The clock of `strftime_now`, read once: all rows see the same instant. Default: the time of loading, in UTC. */
  now?: (() => Date | Promise<Date>) | undefined;
}

export interface RenderChatOptions {
  /** Append what opens the assistant's turn. Default false. */
  addGenerationPrompt?: boolean | undefined;
  /** More variables for the template, e.g. `enable_thinking`. */
  variables?: Readonly<Record<string, unknown>> | undefined;
}

/** What decides token ids, and nothing that does not (`model_max_length`, padding, truncation, decoders). */
export interface TokenizerFingerprint {
  /** SHA-256 over the parts of tokenizer.json that change ids, the BOS/EOS ids and where they are added. */
  tokenizer: string;
  /** SHA-256 of the chat template's text, or the name of the built-in plain-text rendering. */
  chatTemplate: string;
  /** The instant a template that reads the clock was rendered at (ISO 8601, UTC); absent for all others. */
  chatTemplateNow?: string;
}

export interface PairTokenizer {
  readonly vocabularySize: number;
  readonly bosTokenId: number | undefined;
  readonly eosTokenId: number;
  readonly hasChatTemplate: boolean;
  /** Ids of the tokens that the tokenizer's files mark as special, ascending. */
  readonly specialTokenIds: readonly number[];
  /** What a user should be told once, e.g. that conversations are rendered without a chat template. */
  readonly notices: readonly NoticeEvent[];
  /** Token ids of a text. `addSpecialTokens` (default true) adds BOS or EOS as the tokenizer's own rule says. */
  encode(text: string, options?: { addSpecialTokens?: boolean }): number[];
  /** The text of ids. `skipSpecialTokens` default false. */
  decode(ids: Iterable<number>, options?: { skipSpecialTokens?: boolean }): string;
  /** One token as it reads inside a text; its vocabulary entry where it is no whole character. */
  tokenText(id: number): string;
  /** What a token adds to the text before it; U+FFFD stands for parts of a character, '' for ids without a token. */
  addedText(id: number): string;
  /**
   * Renders messages by the chat template, with the variables transformers gives it.
   * @throws TemplateRefusal, InputError as {@link ChatTemplate.render}; InputError `chat-template-missing`.
   */
  renderChat(messages: readonly Message[], options?: RenderChatOptions): string;
  fingerprint(): TokenizerFingerprint;
}

/**
 * Loads the tokenizer of a Hugging Face model directory.
 * @throws InputError `tokenizer-missing`, `tokenizer-unreadable`, `eos-token-missing`, `chat-template-invalid`,
 *   `json-broken`, or the file system's.
 */
export async function loadPairTokenizer(
  directory: string,
  options: PairTokenizerOptions = {},
): Promise<PairTokenizer> {
  const files = await readTokenizerFiles(directory);
  const library = new LibraryTokenizer(files.tokenizer, files.config, files.vocabularySize, directory);
  const now = await (options.now ?? (() => new Date()))();
  const template =
    options.chatTemplate !== undefined
      ? new ChatTemplate(options.chatTemplate, 'the given chat template', now)
      : files.chatTemplate && new ChatTemplate(files.chatTemplate.source, files.chatTemplate.file, now);
  return new LoadedPairTokenizer(files, library, template, now, directory);
}

class LoadedPairTokenizer implements PairTokenizer {
  readonly vocabularySize: number;
  readonly bosTokenId: number | undefined;
  readonly eosTokenId: number;
  readonly specialTokenIds: readonly number[];
  readonly notices: readonly NoticeEvent[];
  private readonly rule: SpecialTokenRule;
  private readonly cleanUp: boolean;
  private anchor: { ids: number[]; text: string } | undefined;
  private digest: string | undefined;

  constructor(
    private readonly files: TokenizerFiles,
    private readonly library: LibraryTokenizer,
    private readonly template: ChatTemplate | undefined,
    private readonly now: Date,
    directory: string,
  ) {
    this.vocabularySize = files.vocabularySize;
    this.bosTokenId = this.resolveToken(files.bosToken, files.bosTokenId);
    const eos = this.resolveToken(files.eosToken, files.eosTokenId);
    if (eos === undefined) {
      throw new InputError('eos-token-missing', 'the tokenizer names no end-of-sequence token', {
        file: directory,
        ...(files.eosToken === undefined ? {} : { found: `${files.eosToken}, not in the vocabulary` }),
        expected: 'eos_token in tokenizer_config.json, or eos_token_id in generation_config.json',
        hint: 'add it: without an end a policy never learns to stop',
      });
    }
    this.eosTokenId = eos;
    this.rule = new SpecialTokenRule(library, files.config, this.bosTokenId, this.eosTokenId, directory);
    this.specialTokenIds = files.tokenizer.added_tokens
      .filter(({ special }) => special === true)
      .map(({ id }) => Number(id))
      .sort((a, b) => a - b);
    this.cleanUp = files.config['clean_up_tokenization_spaces'] === true;
    this.notices = template === undefined ? [builtInRenderingNotice(directory)] : [];
  }

  get hasChatTemplate(): boolean {
    return this.template !== undefined;
  }

  encode(text: string, { addSpecialTokens = true } = {}): number[] {
    const ids = this.library.encode(text, false);
    return addSpecialTokens ? this.rule.apply(ids) : ids;
  }

  decode(ids: Iterable<number>, { skipSpecialTokens = false } = {}): string {
    const list = [...ids];
    if (list.length === 0) return '';
    return this.library.decode(list, skipSpecialTokens, this.cleanUp);
  }

  tokenText(id: number): string {
    const added = this.addedText(id);
    return added === '' || added.includes('\uFFFD') ? (this.library.token(id) ?? '') : added;
  }

  addedText(id: number): string {
    if (this.library.token(id) === undefined) return '';
    // Decoders trim the first token of a text, so the token is read behind another one.
    if (this.anchor === undefined) {
      const ids = this.encode('a', { addSpecialTokens: false });
      this.anchor = { ids, text: this.decode(ids) };
    }
    const { ids, text } = this.anchor;
    const both = this.decode([...ids, id]);
    return both.startsWith(text) ? both.slice(text.length) : '';
  }

  renderChat(messages: readonly Message[], options: RenderChatOptions = {}): string {
    if (this.template === undefined) {
      throw new InputError('chat-template-missing', 'the tokenizer has no chat template', {
        hint: 'give one, or use the plain text of the conversation',
      });
    }
    return this.template.render({
      messages: messages.map(({ role, content }) => ({ role, content })),
      tools: null,
      documents: null,
      add_generation_prompt: options.addGenerationPrompt ?? false,
      ...(this.files.bosToken === undefined ? {} : { bos_token: this.files.bosToken }),
      ...(this.files.eosToken === undefined ? {} : { eos_token: this.files.eosToken }),
      ...options.variables,
    });
  }

  fingerprint(): TokenizerFingerprint {
    this.digest ??= sha256(canonicalJson(this.decidingParts()));
    return {
      tokenizer: this.digest,
      chatTemplate: this.template === undefined ? BUILT_IN_RENDERING : sha256(this.template.source),
      ...(this.template?.readsClock === true ? { chatTemplateNow: this.now.toISOString() } : {}),
    };
  }

  /** All that changes ids. The decoder, padding, truncation and the version do not. */
  private decidingParts(): unknown {
    const { tokenizer, config } = this.files;
    const tokens = tokenizer.added_tokens.map(
      ({ id, content, single_word, lstrip, rstrip, normalized, special }) => ({
        ...{ id, content, special: special ?? false, normalized: normalized ?? special !== true },
        ...{ single_word: single_word ?? false, lstrip: lstrip ?? false, rstrip: rstrip ?? false },
      }),
    );
    return {
      normalizer: tokenizer['normalizer'],
      preTokenizer: tokenizer['pre_tokenizer'],
      model: tokenizer.model,
      addedTokens: tokens.sort((a, b) => Number(a.id) - Number(b.id)),
      removeSpace: config['remove_space'] === true,
      lowercase: config['do_lowercase_and_remove_accent'] === true,
      bosTokenId: this.bosTokenId ?? null,
      eosTokenId: this.eosTokenId,
      before: this.rule.before,
      after: this.rule.after,
    };
  }

  private resolveToken(name: string | undefined, id: number | undefined): number | undefined {
    if (name !== undefined) return this.library.tokenId(name);
    return id !== undefined && this.library.token(id) !== undefined ? id : undefined;
  }
}

function builtInRenderingNotice(directory: string): NoticeEvent {
  return {
    type: 'notice',
    code: 'built-in-rendering',
    message:
      `${directory} has no chat template: conversations are written as "\\n\\nHuman: …\\n\\nAssistant: …" ` +
      `(${BUILT_IN_RENDERING})`,
  };
}
