/** The texts of a cache's tokens. */
import { InputError } from '@selective-dpo/foundation';
import { loadPairTokenizer, type CacheManifest, type PairTokenizer } from '@selective-dpo/data';
import { endsSentence } from '@selective-dpo/trainer';
import type { Vocabulary } from '../site-contract.js';
import { partialBytes } from './token-bytes.js';

/**
 * Loads the tokenizer that a cache was made with.
 * @throws InputError `tokenizer-differs`, and those of {@link loadPairTokenizer}.
 */
export async function loadCacheTokenizer(directory: string, cache: CacheManifest): Promise<PairTokenizer> {
  const tokenizer = await loadPairTokenizer(directory);
  const [found, wanted] = [tokenizer.fingerprint().tokenizer, cache.inputs.tokenizer.tokenizer];
  if (found === wanted) return tokenizer;
  throw new InputError('tokenizer-differs', 'the cache was made with another tokenizer', {
    file: directory,
    found: `tokenizer ${found.slice(0, 12)}`,
    expected: `tokenizer ${wanted.slice(0, 12)}`,
    hint: 'give as --tokenizer the folder that sdpo score was given (by default the reference model’s)',
  });
}

export function vocabularyOf(tokenizer: PairTokenizer): Vocabulary {
  const ids = Array.from({ length: tokenizer.vocabularySize }, (_, id) => id);
  const texts = ids.map((id) => tokenizer.addedText(id));
  const bytes = ids.flatMap((id) => {
    const found = partialBytes(tokenizer.tokenText(id), texts[id]!);
    return found === undefined ? [] : [[id, Buffer.from(found).toString('hex')] as const];
  });
  return {
    texts,
    ...(bytes.length > 0 && { bytes: Object.fromEntries(bytes) }),
    special: tokenizer.specialTokenIds,
    sentenceEnds: ids.filter((id) => endsSentence(tokenizer.tokenText(id))),
  };
}
