/** One pair of the cache as Selective-DPO sees it at its first step: every token, and whether it is selected. */
import type { CacheRow, PairTokenizer } from '@selective-dpo/data';
import type { CausalLM } from '@selective-dpo/model';
import { selectTokens, type SelectionOptions } from '@selective-dpo/trainer';
import type { AnswerSide, ShownToken } from './coloured-pair.js';

export interface ShownPair {
  prompt: string;
  /** Tokens of both answers, EOS included. */
  answers: Record<AnswerSide, ShownToken[]>;
}

/** @param policy the model before training. */
export async function showPair(
  policy: CausalLM,
  tokenizer: PairTokenizer,
  row: CacheRow,
  selection: SelectionOptions,
): Promise<ShownPair> {
  const [logps] = await policy.logps([
    { prompt: row.promptIds, responses: [row.chosenIds, row.rejectedIds] },
  ]);
  const [mask] = selectTokens(
    [
      {
        logps: {
          policyChosen: logps![0]!,
          policyRejected: logps![1]!,
          refChosen: row.chosenRefLogps,
          refRejected: row.rejectedRefLogps,
        },
        chosenIds: row.chosenIds,
        rejectedIds: row.rejectedIds,
        seed: 0,
      },
    ],
    selection,
  );
  const tokens = (ids: Int32Array, kept: Uint8Array): ShownToken[] =>
    Array.from(ids, (id, i) => ({ text: tokenizer.tokenText(id), selected: kept[i] === 1 }));
  return {
    prompt: tokenizer.decode(row.promptIds, { skipSpecialTokens: true }).trim(),
    answers: {
      chosen: tokens(row.chosenIds, mask!.chosen),
      rejected: tokens(row.rejectedIds, mask!.rejected),
    },
  };
}
