/**
 * The tokenizer library behind a typed face: the declarations of `@huggingface/tokenizers` 0.2 name their own files
 * without extensions, which TypeScript's `nodenext` resolves to `any`.
 */
import { Tokenizer as Implementation } from '@huggingface/tokenizers';
import { InputError, quoteValue } from '@selective-dpo/foundation';

interface Library {
  encode(text: string, options: { add_special_tokens: boolean }): { ids: number[] };
  decode(
    ids: number[],
    options: { skip_special_tokens: boolean; clean_up_tokenization_spaces: boolean },
  ): string;
  token_to_id(token: string): number | undefined;
  id_to_token(id: number): string | undefined;
}

const LibraryClass = Implementation as unknown as new (tokenizer: object, config: object) => Library;

export class LibraryTokenizer {
  private readonly library: Library;

  /**
   * @param tokenizer the content of tokenizer.json with all its sections; @param config of tokenizer_config.json.
   * @param vocabularySize the largest id plus one.
   * @throws InputError `tokenizer-unreadable`
   */
  constructor(
    tokenizer: object,
    config: object,
    private readonly vocabularySize: number,
    private readonly directory: string,
  ) {
    this.library = this.working('cannot be built', () => new LibraryClass(tokenizer, config));
  }

  /**
   * Ids of a text; `special` lets the post-processor add its own.
   * @throws InputError `tokenizer-unreadable` where a section that was not looked at before cannot be used, or gives what is
   *   no id of the vocabulary (an `unk_id` of no token).
   */
  encode(text: string, special: boolean): number[] {
    const ids = this.working('cannot encode a text', () =>
      this.library.encode(text, { add_special_tokens: special }).ids.slice(),
    );
    const strange = ids.find((id) => !(Number.isInteger(id) && id >= 0 && id < this.vocabularySize));
    if (strange === undefined) return ids;
    throw this.unreadable('gives ids that it has no token for', `id ${quoteValue(strange)}`);
  }

  /** @param ids at least one. @throws InputError as {@link encode}. */
  decode(ids: number[], skipSpecialTokens: boolean, cleanUp: boolean): string {
    const text = this.working('cannot decode ids', () =>
      this.library.decode(ids, {
        skip_special_tokens: skipSpecialTokens,
        clean_up_tokenization_spaces: cleanUp,
      }),
    );
    if (typeof text === 'string') return text;
    throw this.unreadable('decodes ids to what is no text', quoteValue(text));
  }

  tokenId(token: string): number | undefined {
    return this.library.token_to_id(token);
  }

  token(id: number): string | undefined {
    return this.library.id_to_token(id);
  }

  /** The library takes the sections of the file as they are, and fails in them when it gets there. */
  private working<T>(what: string, work: () => T): T {
    try {
      return work();
    } catch (error) {
      throw this.unreadable(what, (error as Error).message);
    }
  }

  private unreadable(what: string, found: string): InputError {
    return new InputError('tokenizer-unreadable', `the tokenizer ${what}`, {
      file: this.directory,
      found,
      expected: 'a BPE, Unigram or WordPiece tokenizer',
      hint: 'download its files again',
    });
  }
}
