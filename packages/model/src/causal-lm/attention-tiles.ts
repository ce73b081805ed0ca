/**
 * How the attention of one long sequence is cut. Scores of a query with keys it may not see are work for nothing: a
 * response never sees another response, and nothing sees what follows. So the sequence is cut into its segments (the
 * prompt, each response), a segment into runs of queries, and a run meets only the keys up to its own end. What is left of
 * a causal mask is a triangle at the end of each tile.
 *
 * Exact: the keys left out are those whose softmax weight is 0.
 */

/** Queries [start, end) of a sequence with the first `keys` keys of their segment. */
export interface AttentionTile {
  start: number;
  end: number;
  keys: number;
}

/**
 * A prompt, or a response, on the padded places of its sequence: its keys are the places [0, shared) and [start, end), in
 * this order.
 */
export interface AttentionSegment {
  start: number;
  end: number;
  /** Padded places of the prompt before a response; 0 for the prompt itself. */
  shared: number;
  /** Keys of the prompt that this segment sees: the first ones of `shared`. */
  seen: number;
  tiles: AttentionTile[];
}

/** How sequences are cut; no value depends on it. */
export interface TileLimits {
  /** Queries of a tile: more make fewer and larger products, and more scores that a triangle masks. */
  tileQueries: number;
  /** Segments are padded to a multiple of this: engines prepare a kernel for every new shape. */
  tileMultiple: number;
}

/**
 * Cuts a sequence.
 * @param prompt tokens of the prompt. @param responses tokens of each response.
 */
export function cutIntoSegments(
  prompt: number,
  responses: readonly number[],
  { tileQueries, tileMultiple }: TileLimits,
): AttentionSegment[] {
  const padded = (length: number): number => Math.ceil(length / tileMultiple) * tileMultiple;
  const shared = padded(prompt);
  const segments = [cutSegment(0, shared, 0, 0, tileQueries)];
  let start = shared;
  for (const length of responses) {
    segments.push(cutSegment(start, start + padded(length), shared, prompt, tileQueries));
    start += padded(length);
  }
  return segments;
}

function cutSegment(
  start: number,
  end: number,
  shared: number,
  seen: number,
  tileQueries: number,
): AttentionSegment {
  const tiles: AttentionTile[] = [];
  for (let at = start; at < end; at += tileQueries) {
    const stop = Math.min(at + tileQueries, end);
    tiles.push({ start: at, end: stop, keys: shared + stop - start });
  }
  return { start, end, shared, seen, tiles };
}

/**
 * [queries, keys] of a tile: 0 where a query may see a key, `masked` on the prompt's padding and in the triangle of what
 * follows a query.
 */
export function tileMask(
  { shared, seen }: AttentionSegment,
  { start, end, keys }: AttentionTile,
  masked: number,
): Float32Array {
  const queries = end - start;
  const mask = new Float32Array(queries * keys);
  for (let t = 0; t < queries; t++) {
    mask.fill(masked, t * keys + seen, t * keys + shared);
    mask.fill(masked, t * keys + keys - queries + t + 1, (t + 1) * keys);
  }
  return mask;
}
