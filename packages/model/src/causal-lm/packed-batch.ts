/**
 * The layout of a batch. Every sequence stands once as prompt + response 1 + response 2 …: the prompt is
 * computed once for all its responses, a response sees the prompt and itself but no other response, and its
 * positions go on after the prompt. All sequences of a batch are packed into one [N] list of tokens without
 * any padding, so every linear layer works on real tokens only. Attention alone needs sequences side by side:
 * it runs over groups of sequences of like length, padded inside the group.
 *
 * Exact: a token's inputs and the keys it may see are those of the plain sequence prompt + response.
 */
import type { TokenIds } from '@selective-dpo/foundation';

/** A prompt of at least one token and its responses of at least one token each. */
export interface SharedPromptSequence {
  prompt: TokenIds;
  responses: readonly TokenIds[];
}

/** Sequences whose attention is computed together, padded to the longest of them. */
export interface AttentionGroup {
  /** Sequences in the group. */
  size: number;
  /** Padded length T of each. */
  length: number;
  /** First packed row of the group; its rows are contiguous. */
  start: number;
  /** Packed rows of the group: the sum of its sequences' lengths. */
  rows: number;
  /** [size·T] packed row of each padded place, relative to `start`; `rows` where there is only padding. */
  padIndex: Int32Array;
  /** [rows] padded place of each packed row. */
  packIndex: Int32Array;
  /** [size, T, T] 0 where a query may see a key, MASKED elsewhere. */
  mask: Float32Array;
}

/** Where the log-probs of one response stand in the head's list of targets. */
export interface ResponseSpan {
  /** Index of the sequence in the caller's order. */
  sequence: number;
  /** Index of the response within its sequence. */
  response: number;
  /** First place in `targetIds`. */
  start: number;
  length: number;
}

export interface PackedBatch {
  /** N, real tokens in the batch. */
  tokens: number;
  /** [N] */
  ids: Int32Array;
  /** [N] rotary positions. */
  positions: Int32Array;
  groups: AttentionGroup[];
  /** [M] packed row whose output predicts each response token. */
  headRows: Int32Array;
  /** [M] the response tokens to be predicted. */
  targetIds: Int32Array;
  spans: ResponseSpan[];
  sequences: number;
}

/** Added to a score that must not count: exp of it is 0 in float32, and it is finite, so no NaN can arise. */
export const MASKED = -1e9;

/** How sequences are put into attention groups; no value depends on it. */
export interface GroupLimits {
  /** Attention scores (size · T · T) in one group at most, unless one sequence alone has more. */
  maxScores: number;
  /** Share of padded places in one group at most. */
  maxPadding: number;
}

const GROUP_LIMITS: GroupLimits = { maxScores: 1 << 22, maxPadding: 0.125 };

/** Number of tokens a sequence takes in a batch: prompt once, each response once. */
export function packedLength(sequence: SharedPromptSequence): number {
  return sequence.responses.reduce((sum, ids) => sum + ids.length, sequence.prompt.length);
}

/**
 * Lays out a batch. Sequences are packed from the longest to the shortest (ties by position), so that a group
 * holds sequences of like length; results are given back in the caller's order through `spans`.
 * @throws RangeError for an empty prompt or response.
 */
export function packBatch(
  sequences: readonly SharedPromptSequence[],
  limits: GroupLimits = GROUP_LIMITS,
): PackedBatch {
  const order = sequences.map((_, i) => i);
  const lengths = sequences.map(packedLength);
  order.sort((a, b) => lengths[b]! - lengths[a]! || a - b);
  const tokens = lengths.reduce((a, b) => a + b, 0);
  const targets = sequences.reduce((sum, s, i) => sum + lengths[i]! - s.prompt.length, 0);
  const batch: PackedBatch = {
    tokens,
    ids: new Int32Array(tokens),
    positions: new Int32Array(tokens),
    groups: [],
    headRows: new Int32Array(targets),
    targetIds: new Int32Array(targets),
    spans: [],
    sequences: sequences.length,
  };
  let row = 0;
  let target = 0;
  for (const members of likeLengths(order, lengths, limits)) {
    batch.groups.push(
      layGroup(
        members.map((i) => sequences[i]!),
        row,
      ),
    );
    for (const index of members) {
      const sequence = sequences[index]!;
      target = layTokens(batch, sequence, index, row, target);
      row += lengths[index]!;
    }
  }
  return batch;
}

function* likeLengths(
  order: number[],
  lengths: number[],
  { maxScores, maxPadding }: GroupLimits,
): Generator<number[]> {
  let members: number[] = [];
  let rows = 0;
  for (const index of order) {
    const longest = lengths[members[0] ?? index]!;
    const places = (members.length + 1) * longest;
    const padding = 1 - (rows + lengths[index]!) / places;
    if (members.length > 0 && (padding > maxPadding || places * longest > maxScores)) {
      yield members;
      members = [];
      rows = 0;
    }
    members.push(index);
    rows += lengths[index]!;
  }
  if (members.length > 0) yield members;
}

function layTokens(
  batch: PackedBatch,
  { prompt, responses }: SharedPromptSequence,
  sequence: number,
  row: number,
  target: number,
): number {
  if (prompt.length === 0) throw new RangeError('a prompt needs at least one token');
  batch.ids.set(prompt, row);
  for (let i = 0; i < prompt.length; i++) batch.positions[row + i] = i;
  const lastPromptRow = row + prompt.length - 1;
  let at = row + prompt.length;
  responses.forEach((ids, response) => {
    if (ids.length === 0) throw new RangeError('a response needs at least one token');
    batch.spans.push({ sequence, response, start: target, length: ids.length });
    batch.ids.set(ids, at);
    batch.targetIds.set(ids, target);
    for (let i = 0; i < ids.length; i++) {
      batch.positions[at + i] = prompt.length + i;
      batch.headRows[target + i] = i === 0 ? lastPromptRow : at + i - 1;
    }
    target += ids.length;
    at += ids.length;
  });
  return target;
}

function layGroup(members: SharedPromptSequence[], start: number): AttentionGroup {
  const size = members.length;
  const length = packedLength(members[0]!);
  const rows = members.reduce((sum, member) => sum + packedLength(member), 0);
  const padIndex = new Int32Array(size * length).fill(rows);
  const packIndex = new Int32Array(rows);
  const mask = new Float32Array(size * length * length).fill(MASKED);
  let row = 0;
  members.forEach((member, i) => {
    const own = packedLength(member);
    for (let t = 0; t < own; t++, row++) {
      padIndex[i * length + t] = row;
      packIndex[row] = i * length + t;
    }
    openMask(mask.subarray(i * length * length, (i + 1) * length * length), length, member);
  });
  return { size, length, start, rows, padIndex, packIndex, mask };
}

/** Causal inside the prompt; a response token sees the prompt and its own response so far. */
function openMask(mask: Float32Array, length: number, { prompt, responses }: SharedPromptSequence): void {
  for (let t = 0; t < prompt.length; t++) mask.fill(0, t * length, t * length + t + 1);
  let begin = prompt.length;
  for (const response of responses) {
    for (let t = begin; t < begin + response.length; t++) {
      mask.fill(0, t * length, t * length + prompt.length);
      mask.fill(0, t * length + begin, t * length + t + 1);
    }
    begin += response.length;
  }
  // Padding sees itself, so that its softmax is finite; nothing ever reads it.
  for (let t = begin; t < length; t++) mask[t * length + t] = 0;
}

/** Cuts a flat [M] list of per-target values into [sequence][response] lists, in the caller's order. */
export function splitByResponse(batch: PackedBatch, values: Float32Array): Float32Array[][] {
  const result: Float32Array[][] = Array.from({ length: batch.sequences }, () => []);
  for (const { sequence, response, start, length } of batch.spans) {
    result[sequence]![response] = values.slice(start, start + length);
  }
  return result;
}

/** The inverse of {@link splitByResponse}. @throws RangeError when a list has another length. */
export function joinByResponse(
  batch: PackedBatch,
  values: readonly (readonly Float32Array[])[],
): Float32Array {
  const flat = new Float32Array(batch.targetIds.length);
  for (const { sequence, response, start, length } of batch.spans) {
    const own = values[sequence]?.[response];
    if (own?.length !== length) {
      throw new RangeError(
        `sequence ${sequence} response ${response}: ${own?.length} values for ${length} tokens`,
      );
    }
    flat.set(own, start);
  }
  return flat;
}

/**
 * Cuts a list of sequences into batches of at most `maxTokens` packed tokens (a longer sequence stands
 * alone), like lengths together. Returns lists of indices; depends on lengths and order only.
 */
export function batchesByTokens(lengths: readonly number[], maxTokens: number): number[][] {
  const order = lengths.map((_, i) => i).sort((a, b) => lengths[b]! - lengths[a]! || a - b);
  const batches: number[][] = [];
  let batch: number[] = [];
  let tokens = 0;
  for (const index of order) {
    if (batch.length > 0 && tokens + lengths[index]! > maxTokens) {
      batches.push(batch);
      batch = [];
      tokens = 0;
    }
    batch.push(index);
    tokens += lengths[index]!;
  }
  if (batch.length > 0) batches.push(batch);
  return batches;
}
