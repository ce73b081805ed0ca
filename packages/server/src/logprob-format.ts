/** Log-probs in the two forms of OpenAI's API. */
import type { PairTokenizer } from '@selective-dpo/data';
import type { MostLikely, RankedLogps } from '@selective-dpo/model';

/** A token, its log-prob (null for the first of a text), and the most likely tokens of its place. */
export interface PlacedToken {
  id: number;
  logp: number | null;
  top: [id: number, logp: number][];
  /** Characters of the answer's text before it. */
  offset: number;
}

/** The pairs of one place of a {@link MostLikely} with `n` a place; the token's own log-prob stands for its entry there. */
export function pairsOf(
  { ids, logps }: MostLikely,
  place: number,
  n: number,
  own?: { id: number; logp: number },
): [number, number][] {
  return Array.from(ids.subarray(place * n, (place + 1) * n), (id, i) => [
    id,
    id === own?.id ? own.logp : logps[place * n + i]!,
  ]);
}

/** A generated token. */
export function placedToken({ id, logp, top }: RankedLogps, offset: number): PlacedToken {
  return { id, logp, top: pairsOf(top, 0, top.ids.length, { id, logp }), offset };
}

/**
 * `/v1/completions`: parallel lists. The token itself is among the most likely ones even where it is not; of tokens that read the
 * same, the likelier counts.
 */
export function completionLogprobs(tokenizer: PairTokenizer, tokens: readonly PlacedToken[]): object {
  return {
    tokens: tokens.map(({ id }) => tokenizer.tokenText(id)),
    token_logprobs: tokens.map(({ logp }) => logp),
    top_logprobs: tokens.map(({ id, logp, top }) => {
      if (logp === null) return null;
      const best = new Map<string, number>();
      for (const [one, value] of [...top, [id, logp] as const]) {
        const text = tokenizer.tokenText(one);
        best.set(text, Math.max(value, best.get(text) ?? -Infinity));
      }
      return Object.fromEntries(best);
    }),
    text_offset: tokens.map(({ offset }) => offset),
  };
}

/** `/v1/chat/completions`: a list of objects. */
export function chatLogprobs(tokenizer: PairTokenizer, tokens: readonly RankedLogps[]): object {
  const described = (id: number, logprob: number): object => {
    const token = tokenizer.tokenText(id);
    return { token, logprob, bytes: [...Buffer.from(token)] };
  };
  return {
    content: tokens.map(({ id, logp, top }) => ({
      ...described(id, logp),
      top_logprobs: pairsOf(top, 0, top.ids.length, { id, logp }).map(([one, value]) =>
        described(one, value),
      ),
    })),
    refusal: null,
  };
}
