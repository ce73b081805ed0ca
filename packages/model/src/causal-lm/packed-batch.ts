/**
 * The layout of a batch. Every sequence stands once as prompt + response 1 + response 2 …: the prompt is
 * computed once for all its responses, a response sees the prompt and itself but no other response, and its
 * positions go on after the prompt. All sequences of a batch are packed into one [N] list of tokens without
 * any padding, so every linear layer works on real tokens only. Attention alone needs sequences side by side:
 * it runs over groups of sequences of like length, padded inside the group, and over a long sequence alone, in tiles.
 *
 * Exact: a token's inputs and the keys it may see are those of the plain sequence prompt + response.
 */
import type { TokenIds } from '@selective-dpo/foundation';
import { layCandidates, type Candidates } from './candidates.js';
import { cutIntoSegments, type AttentionSegment, type TileLimits } from './attention-tiles.js';

/** A prompt of at least one token and its responses of at least one token each. */
export interface SharedPromptSequence {
  prompt: TokenIds;
  responses: readonly TokenIds[];
  /**
   * For each response that has any, further next tokens whose log-probs are asked for: [T · n], n at each of its T positions.
   * Wherever lists have a place for each token of such a response, those of its candidates follow: T + T · n in all.
   */
  candidates?: readonly (TokenIds | undefined)[];
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
  /** [size, T, T] 0 where a query may see a key, MASKED elsewhere; or the segments of one long sequence. */
  seen: { mask: Float32Array } | { segments: AttentionSegment[] };
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
  /** Where its candidates stand among those of the batch. */
  candidates?: { start: number; length: number };
}

export interface PackedBatch {
  /** Real tokens in the batch. */
  tokens: number;
  /** N ≥ tokens: rows at the end are of token 0 and belong to no sequence; nothing reads them. */
  rows: number;
  /** [N] */
  ids: Int32Array;
  /** [N] rotary positions. */
  positions: Int32Array;
  /** The batch cut into groups, made when first asked for. */
  readonly groups: AttentionGroup[];
  /**
   * [S, 4] the prompts and responses in packed order, a prompt before its responses: first row, rows, the first
   * row and the rows of the prompt that it sees before itself (its own first row and 0 for a prompt).
   */
  segments: Int32Array;
  /** [M] packed row whose output predicts each response token; filled up as the rows are, with row 0. */
  headRows: Int32Array;
  /** [M] the response tokens to be predicted; filled up with token 0. */
  targetIds: Int32Array;
  spans: ResponseSpan[];
  candidates?: Candidates | undefined;
  sequences: number;
}

/** Added to a score that must not count: exp of it is 0 in float32, and it is finite, so no NaN can arise. */
export const MASKED = -1e9;

/** How sequences are put into attention groups; no value depends on it. */
export interface GroupLimits extends TileLimits {
  /** Attention scores (size · T · T) in one group at most, unless one sequence alone has more. */
  maxScores: number;
  /** Share of padded places in one group at most, before T is rounded up. */
  maxPadding: number;
  /** T is a multiple of this: engines prepare a kernel for every new shape. */
  lengthMultiple: number;
  /** Packed rows are filled up to a multiple of this, for the same reason. */
  rowMultiple: number;
  /** Tokens from which on a sequence stands alone and is computed in tiles. */
  tiledFrom: number;
}

/**
 * TensorFlow keeps some 0.4 MB for each shape of a product that it has seen, up to 1,024 of them, and takes time to prepare
 * a new one; a kernel's call takes 15 µs and more, so small tiles do not pay (bench/kernel-shapes.mjs).
 */
const GROUP_LIMITS: GroupLimits = {
  maxScores: 1 << 20,
  maxPadding: 0.125,
  lengthMultiple: 8,
  rowMultiple: 64,
  tiledFrom: 512,
  tileQueries: 256,
  tileMultiple: 32,
};

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
  given: Partial<GroupLimits> = {},
): PackedBatch {
  const limits = { ...GROUP_LIMITS, ...given };
  const order = sequences.map((_, i) => i);
  const lengths = sequences.map(packedLength);
  order.sort((a, b) => lengths[b]! - lengths[a]! || a - b);
  const tokens = lengths.reduce((a, b) => a + b, 0);
  const targets = sequences.reduce((sum, s, i) => sum + lengths[i]! - s.prompt.length, 0);
  const rows = upTo(tokens, limits.rowMultiple);
  let groups: AttentionGroup[] | undefined;
  const batch: PackedBatch = {
    tokens,
    rows,
    ids: new Int32Array(rows),
    positions: new Int32Array(rows),
    get groups() {
      return (groups ??= layGroups(sequences, order, lengths, limits));
    },
    segments: segmentsOf(order.map((index) => sequences[index]!)),
    headRows: new Int32Array(upTo(targets, limits.rowMultiple)),
    targetIds: new Int32Array(upTo(targets, limits.rowMultiple)),
    spans: [],
    sequences: sequences.length,
  };
  let row = 0;
  let target = 0;
  for (const index of order) {
    target = layTokens(batch, sequences[index]!, index, row, target);
    row += lengths[index]!;
  }
  batch.candidates = layCandidates(batch.spans, sequences);
  return batch;
}

function layGroups(
  sequences: readonly SharedPromptSequence[],
  order: number[],
  lengths: number[],
  limits: GroupLimits,
): AttentionGroup[] {
  let row = 0;
  return [...likeLengths(order, lengths, limits)].map((members) => {
    const group = layGroup(
      members.map((i) => sequences[i]!),
      row,
      limits,
    );
    row += group.rows;
    return group;
  });
}

/** See {@link PackedBatch.segments}. */
function segmentsOf(sequences: readonly SharedPromptSequence[]): Int32Array {
  const segments: number[] = [];
  let row = 0;
  for (const { prompt, responses } of sequences) {
    const begin = row;
    segments.push(begin, prompt.length, begin, 0);
    row += prompt.length;
    for (const { length } of responses) {
      segments.push(row, length, begin, prompt.length);
      row += length;
    }
  }
  return Int32Array.from(segments);
}

/** The smallest multiple that is not below a count. */
export function upTo(count: number, multiple: number): number {
  return Math.ceil(count / multiple) * multiple;
}

function* likeLengths(
  order: number[],
  lengths: number[],
  { maxScores, maxPadding, tiledFrom }: GroupLimits,
): Generator<number[]> {
  let members: number[] = [];
  let rows = 0;
  for (const index of order) {
    const longest = lengths[members[0] ?? index]!;
    const places = (members.length + 1) * longest;
    const padding = 1 - (rows + lengths[index]!) / places;
    const full = padding > maxPadding || places * longest > maxScores || longest >= tiledFrom;
    if (members.length > 0 && full) {
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

function layGroup(members: SharedPromptSequence[], start: number, limits: GroupLimits): AttentionGroup {
  const [longest] = members as [SharedPromptSequence];
  if (packedLength(longest) >= limits.tiledFrom) return layTiled(longest, start, limits);
  const length = upTo(packedLength(longest), limits.lengthMultiple);
  const places: number[] = [];
  members.forEach((member, i) => {
    for (let t = 0; t < packedLength(member); t++) places.push(i * length + t);
  });
  const seen = { mask: maskOf(members, length) };
  return { size: members.length, length, start, ...placesOf(places, members.length * length), seen };
}

/** One sequence: its segments are padded one by one. */
function layTiled(
  { prompt, responses }: SharedPromptSequence,
  start: number,
  limits: GroupLimits,
): AttentionGroup {
  const lengths = responses.map((response) => response.length);
  const segments = cutIntoSegments(prompt.length, lengths, limits);
  const places: number[] = [];
  segments.forEach((segment, i) => {
    const length = i === 0 ? prompt.length : lengths[i - 1]!;
    for (let t = 0; t < length; t++) places.push(segment.start + t);
  });
  const length = segments.at(-1)!.end;
  return { size: 1, length, start, ...placesOf(places, length), seen: { segments } };
}

/** From the padded place of each packed row, both ways. */
function placesOf(
  places: readonly number[],
  count: number,
): Pick<AttentionGroup, 'rows' | 'padIndex' | 'packIndex'> {
  const padIndex = new Int32Array(count).fill(places.length);
  places.forEach((place, row) => (padIndex[place] = row));
  return { rows: places.length, padIndex, packIndex: Int32Array.from(places) };
}

function maskOf(members: SharedPromptSequence[], length: number): Float32Array {
  const mask = new Float32Array(members.length * length * length).fill(MASKED);
  members.forEach((member, i) => {
    openMask(mask.subarray(i * length * length, (i + 1) * length * length), length, member);
  });
  return mask;
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
