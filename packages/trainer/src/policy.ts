/** What a run needs to know of the policy's directory besides its weights: whether the cache was made for it. */
import { InputError } from '@selective-dpo/foundation';
import { loadPairTokenizer, type CacheReader, type CacheRow, type PairTokenizer } from '@selective-dpo/data';
import { CausalLM, readModelConfig, weightsDigest } from '@selective-dpo/model';
import { endsSentence } from './selection/sentence-end.js';
import { refuseNonFiniteWeights } from './step/finiteness.js';

/** The weights that a run starts from, on the engine. @throws InputError `policy-not-finite`, and those of the files. */
export async function loadInitialPolicy(policyDirectory: string): Promise<CausalLM> {
  const model = await CausalLM.load(policyDirectory);
  try {
    await refuseNonFiniteWeights(model.parameters, { step: 0, policyDirectory });
    return model;
  } catch (error) {
    model.dispose();
    throw error;
  }
}

export interface Policy {
  directory: string;
  /** SHA-256 of the weights before training. */
  weightsSha256: string;
  /** Whether a token ends a sentence: its text ends with . ! ? or a line break. */
  endsSentence(id: number): boolean;
  /**
   * @param withTop whether the reference's likeliest tokens count, too.
   * @throws InputError `token-out-of-range` for a row with an id the policy has no embedding for.
   */
  refuseUnknownIds(row: CacheRow, withTop: boolean): void;
}

/**
 * Opens a policy's directory for a cache.
 * @throws InputError `tokenizer-differs`, `chat-template-differs`: the ids in the cache are not what this policy
 *   would see; and those of the tokenizer's and the weights' files.
 */
export async function openPolicy(
  directory: string,
  cache: CacheReader,
  cacheDirectory: string,
): Promise<Policy> {
  const tokenizer = await loadPairTokenizer(directory);
  refuseOtherTokenizer(tokenizer, cache, directory, cacheDirectory);
  const { vocabSize } = await readModelConfig(directory);
  const weightsSha256 = await weightsDigest(directory);
  const ends = new Map<number, boolean>();
  return {
    directory,
    weightsSha256,
    endsSentence(id) {
      let known = ends.get(id);
      if (known === undefined) ends.set(id, (known = endsSentence(tokenizer.tokenText(id))));
      return known;
    },
    refuseUnknownIds(row, withTop) {
      for (const [field, ids] of Object.entries({
        prompt_ids: row.promptIds,
        chosen_ids: row.chosenIds,
        rejected_ids: row.rejectedIds,
        ...(withTop && row.refTop !== undefined ? { chosen_ref_top_ids: row.refTop.chosenIds } : {}),
      })) {
        const unknown = ids.find((id) => id >= vocabSize);
        if (unknown === undefined) continue;
        throw new InputError('token-out-of-range', 'the cache holds a token that the policy does not have', {
          file: cacheDirectory,
          row: row.sourceRow,
          field,
          found: String(unknown),
          expected: `ids below ${vocabSize}`,
          hint: 'score again with --tokenizer set to the policy’s directory',
        });
      }
    },
  };
}

function refuseOtherTokenizer(
  tokenizer: PairTokenizer,
  cache: CacheReader,
  directory: string,
  cacheDirectory: string,
): void {
  const own = tokenizer.fingerprint();
  const cached = cache.manifest.inputs.tokenizer;
  if (own.tokenizer !== cached.tokenizer) {
    throw new InputError('tokenizer-differs', 'the cache was made with another tokenizer than the policy’s', {
      file: directory,
      found: `tokenizer ${own.tokenizer.slice(0, 12)}`,
      expected: `tokenizer ${cached.tokenizer.slice(0, 12)} of ${cacheDirectory}`,
      hint: 'score again with --tokenizer set to the policy’s directory',
    });
  }
  if (cached.chatTemplateGiven || own.chatTemplate === cached.chatTemplate) return;
  throw new InputError(
    'chat-template-differs',
    'the cache was made with another chat template than the policy’s',
    {
      file: directory,
      found: `chat template ${own.chatTemplate.slice(0, 24)}`,
      expected: `chat template ${cached.chatTemplate.slice(0, 24)} of ${cacheDirectory}`,
      hint: 'score again with --tokenizer set to the policy’s directory',
    },
  );
}
