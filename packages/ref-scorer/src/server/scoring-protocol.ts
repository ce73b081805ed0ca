/** What differs between servers: what they are asked, and how their answers are read. */
import type { TokenizedPair } from '@selective-dpo/foundation';
import type { PairLogps } from '../scorer.js';
import type { ServerConnection } from './server-connection.js';
import { isRecord, SIDES, tokensOf, type AnswerPlace, type Side } from './answer-checks.js';
import { topOf, type LikeliestTokens } from './likeliest.js';

/** What a server says of the model it runs. */
export interface ServedModel {
  name: string;
  /** Tokens of a sequence, one more that would be generated among them; undefined where it does not say. */
  maxLength: number | undefined;
  /** Version, dtype, quantisation: whatever it tells that may change a value. */
  facts: Record<string, string>;
}

/** Log-probs of one response, [T], and its likeliest tokens where they were asked for. */
export interface SideLogps {
  logps: Float32Array;
  likeliest: LikeliestTokens | undefined;
}

export interface ScoringProtocol {
  /** Path of the request, after the base address. */
  readonly path: string;
  /** Bytes of a listed token in an answer, at most. */
  readonly entryBytes: number;
  /** What the server runs. @param wanted the name to choose where there are several. @throws InputError `served-model`, … */
  describe(
    connection: ServerConnection,
    wanted: string | undefined,
    signal: AbortSignal,
  ): Promise<ServedModel>;
  /** The request for both sequences of a pair. */
  request(pair: TokenizedPair, model: string, topLogprobs: number | undefined): unknown;
  /** The two answers in the order of {@link SIDES}. @throws InputError `server-answer-invalid`, `server-cannot-score`. */
  answersOf(answer: unknown, place: Omit<AnswerPlace, 'side'>): [unknown, unknown];
  /** Log-probs of one response. @throws InputError for all that is not as it should be. */
  read(answer: unknown, pair: TokenizedPair, place: AnswerPlace, topLogprobs: number | undefined): SideLogps;
}

/** Bytes that an answer may have around its lists. */
const FRAME_BYTES = 1 << 20;

/** Longest answer for a pair. */
export function longestAnswer(
  protocol: ScoringProtocol,
  pair: TokenizedPair,
  topLogprobs: number | undefined,
): number {
  return FRAME_BYTES + tokensOf(pair) * protocol.entryBytes * (2 + (topLogprobs ?? 0));
}

/** Reads the whole answer for a pair. @throws InputError. */
export function readPair(
  protocol: ScoringProtocol,
  answer: unknown,
  pair: TokenizedPair,
  { server, topLogprobs }: { server: string; topLogprobs: number | undefined },
): PairLogps {
  const place = { server, row: pair.sourceRow };
  const answers = protocol.answersOf(answer, place);
  const [chosen, rejected] = SIDES.map((side: Side, i) =>
    protocol.read(answers[i], pair, { ...place, side }, topLogprobs),
  ) as [SideLogps, SideLogps];
  return {
    chosen: chosen.logps,
    rejected: rejected.logps,
    ...(chosen.likeliest && rejected.likeliest ? { top: topOf(chosen.likeliest, rejected.likeliest) } : {}),
  };
}

/** The text of a field that goes into the manifest; undefined for anything that is no short plain text. */
export function factOf(value: unknown, name: string): string | undefined {
  const found = isRecord(value) ? value[name] : undefined;
  return typeof found === 'string' && /^[\w.+:/ -]{1,100}$/.test(found) ? found : undefined;
}
