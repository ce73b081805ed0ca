/** Figures of a whole cache, by whoever computes them: definitions and units. For the browser, too. */
export * from './histogram-bins.js';
export * from './reference-order.js';

/** Counts of values in bins: bin i holds edges[i] ≤ v < edges[i + 1]; the first and last bins also hold what lies beyond. */
export interface Histogram {
  /** n + 1 numbers, ascending. */
  edges: readonly number[];
  counts: readonly number[];
}

export interface Spread {
  /** Number of values. */
  total: number;
  min: number;
  mean: number;
  max: number;
  /**
   * At the shares 0.05, 0.25, 0.5, 0.75 and 0.95: the value of rank floor(q · (n − 1)), from 0, among n values in order. Exact for one value a pair; of
   * log-probs of tokens within 0.5% of itself.
   */
  quantiles: readonly [number, number, number, number, number];
  /**
   * Of one value a pair at most 40 bins of equal width (whole numbers wide for lengths) between the quantiles 0.005 and 0.995; of log-probs
   * bins of a quarter of a nat from −20 to 0.
   */
  histogram: Histogram;
}

export interface CacheFigures {
  /** Pairs. */
  rows: number;
  /** Rows of the dataset that gave no pair, by reason. */
  dropped: Readonly<Record<string, number>>;
  /** Lengths in tokens, one value a pair. */
  promptTokens: Spread;
  chosenTokens: Spread;
  rejectedTokens: Spread;
  reference: ReferenceFigures;
  /** Log-probs in nats, one value a response token. */
  chosenLogps: Spread;
  rejectedLogps: Spread;
  duplicates: DuplicateFigures;
}

/** Does the reference prefer the chosen answers? Margin of a pair: summed log-prob of chosen − rejected, in nats. */
export interface ReferenceFigures {
  /** Share of pairs with margin > 0, in [0, 1]. */
  accuracy: number;
  /** Share of pairs with margin = 0. */
  ties: number;
  margin: Spread;
  /** As `accuracy` and `margin` with the mean log-prob of a token in place of the sum. */
  accuracyPerToken: number;
  marginPerToken: Spread;
  /** Pairs with the most negative margins, the worst first; equal ones in the order of the cache. */
  mostWrong: readonly { pairIndex: number; margin: number }[];
}

export interface DuplicateFigures {
  /** Pairs whose prompt, chosen and rejected ids equal those of an earlier pair. */
  identicalPairs: number;
  /** Pairs whose prompt ids equal those of an earlier pair. */
  identicalPrompts: number;
  /** Pairs whose answers are swapped against an earlier pair of the same prompt: a contradiction. */
  swappedPairs: number;
}
