/**
 * The tokenizer library behind a typed face: the declarations of `@huggingface/tokenizers` 0.2 name their own files
 * without extensions, which TypeScript's `nodenext` resolves to `any`.
 */
import { Tokenizer as Implementation } from '@huggingface/tokenizers';
import { InputError } from '@selective-dpo/foundation';

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
   * @throws InputError `tokenizer-unreadable`
   */
  constructor(tokenizer: object, config: object, directory: string) {
    try {
      this.library = new LibraryClass(tokenizer, config);
    } catch (error) {
      throw new InputError('tokenizer-unreadable', 'the tokenizer cannot be built', {
        file: directory,
        found: (error as Error).message,
        expected: 'a BPE, Unigram or WordPiece tokenizer',
      });
    }
  }

  /** Ids of a text; `special` lets the post-processor add its own. */
  encode(text: string, special: boolean): number[] {
    return this.library.encode(text, { add_special_tokens: special }).ids;
  }

  /** @param ids at least one. */
  decode(ids: number[], skipSpecialTokens: boolean, cleanUp: boolean): string {
    return this.library.decode(ids, {
      skip_special_tokens: skipSpecialTokens,
      clean_up_tokenization_spaces: cleanUp,
    });
  }

  tokenId(token: string): number | undefined {
    return this.library.token_to_id(token);
  }

  token(id: number): string | undefined {
    return this.library.id_to_token(id);
  }
}
