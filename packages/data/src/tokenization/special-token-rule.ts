/**
 * Which ids a tokenizer puts before and after a text: what its post-processor adds, corrected by an explicit
 * `add_bos_token` or `add_eos_token` in tokenizer_config.json, as transformers' Llama and Gemma classes do.
 */
import { InputError } from '@selective-dpo/foundation';
import type { LibraryTokenizer } from './library-tokenizer.js';

const PROBE = 'a';

export class SpecialTokenRule {
  readonly before: readonly number[];
  readonly after: readonly number[];

  /** @throws InputError `tokenizer-unreadable` if the post-processor does more than add ids around a text. */
  constructor(
    library: LibraryTokenizer,
    config: Readonly<Record<string, unknown>>,
    bosTokenId: number | undefined,
    eosTokenId: number,
    directory: string,
  ) {
    const bare = library.encode(PROBE, false);
    const whole = library.encode(PROBE, true);
    const at = whole.findIndex((_, i) => bare.every((id, j) => whole[i + j] === id));
    if (bare.length === 0 || at < 0) {
      throw new InputError('tokenizer-unreadable', 'the post-processor changes the text’s own tokens', {
        file: directory,
        field: 'post_processor',
      });
    }
    let before = whole.slice(0, at);
    let after = whole.slice(at + bare.length);
    if (bosTokenId !== undefined && config['add_bos_token'] === true && before[0] !== bosTokenId) {
      before = [bosTokenId, ...before];
    }
    if (config['add_bos_token'] === false) before = before.filter((id) => id !== bosTokenId);
    if (config['add_eos_token'] === true && after.at(-1) !== eosTokenId) after = [...after, eosTokenId];
    if (config['add_eos_token'] === false) after = after.filter((id) => id !== eosTokenId);
    this.before = before;
    this.after = after;
  }

  apply(ids: readonly number[]): number[] {
    return [...this.before, ...ids, ...this.after];
  }
}
