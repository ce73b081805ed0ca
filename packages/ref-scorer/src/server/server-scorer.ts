/** Scores with a model that servers run: a request a pair, many at one time, some pairs a second time. */
import { InputError, mixSeeds, permutation, type TokenizedPair } from '@selective-dpo/foundation';
import type { Rescored } from '@selective-dpo/data';
import type { PairLogps, Scorer } from '../scorer.js';
import { tokensOf } from './answer-checks.js';
import type { ReplicaSet } from './replica-set.js';
import { longestAnswer, readPair, type ScoringProtocol } from './scoring-protocol.js';
import type { Timing } from './server-options.js';

/** Share of pairs that are scored again. */
const RESCORED_SHARE = 0.01;
/** Two log-probs of one token may differ by so many nats. */
export const MAX_DIFFERENCE = 0.05;

export interface ServerScorerOptions {
  identity: Scorer['identity'];
  protocol: ScoringProtocol;
  servers: ReplicaSet;
  model: string;
  topLogprobs: number | undefined;
  timing: Timing;
  /** Pairs that are asked for at one time, at most: what is held in memory of answers. */
  atOnce: number;
  signal: AbortSignal;
}

export class ServerScorer implements Scorer {
  readonly identity: Scorer['identity'];

  constructor(private readonly options: ServerScorerOptions) {
    this.identity = options.identity;
  }

  async score(
    pairs: readonly TokenizedPair[],
    onScored: (pairs: number, tokens: number) => void,
  ): Promise<PairLogps[]> {
    const scored = new Array<PairLogps>(pairs.length);
    await this.eachAtOnce(pairs.length, async (i, signal) => {
      scored[i] = await this.scorePair(pairs[i]!, signal);
      onScored(1, tokensOf(pairs[i]!));
    });
    return scored;
  }

  async rescore(pairs: readonly TokenizedPair[], logps: readonly PairLogps[]): Promise<Rescored> {
    const count = Math.ceil(pairs.length * RESCORED_SHARE);
    const chosen = permutation(pairs.length, mixSeeds(pairs[0]!.sourceRow, pairs.length)).subarray(0, count);
    let greatestDifference = 0;
    await this.eachAtOnce(count, async (i, signal) => {
      const pair = pairs[chosen[i]!]!;
      const difference = greatestDifferenceOf(logps[chosen[i]!]!, await this.scorePair(pair, signal));
      refuseUnstable(difference, pair.sourceRow);
      greatestDifference = Math.max(greatestDifference, difference);
    });
    return { pairs: count, greatestDifference };
  }

  /** One pair's log-probs, held against what was sent. @throws InputError of the answer; as {@link ReplicaSet.ask}. */
  scorePair(pair: TokenizedPair, signal: AbortSignal): Promise<PairLogps> {
    const { servers, protocol, model, topLogprobs, timing } = this.options;
    return servers.ask(
      pair.sourceRow,
      async (connection) => {
        const answer = await connection.json(protocol.path, {
          body: protocol.request(pair, model, topLogprobs),
          timeoutMs: timing.timeoutMs(tokensOf(pair)),
          maxBytes: longestAnswer(protocol, pair, topLogprobs),
          signal,
        });
        return readPair(protocol, answer, pair, { server: connection.name, topLogprobs });
      },
      signal,
    );
  }

  /** Nothing is held between shards. */
  dispose(): void {}

  /** Does work 0 … count−1, so many at one time; the first failure aborts the rest. */
  private async eachAtOnce(
    count: number,
    work: (i: number, signal: AbortSignal) => Promise<void>,
  ): Promise<void> {
    const failed = new AbortController();
    const signal = AbortSignal.any([this.options.signal, failed.signal]);
    let next = 0;
    const worker = async () => {
      while (next < count) await work(next++, signal);
    };
    const workers = Array.from({ length: Math.min(count, this.options.atOnce) }, async () => {
      try {
        await worker();
      } catch (error) {
        // Only the first reason counts: the others follow from it.
        if (!failed.signal.aborted) failed.abort(error);
      }
    });
    await Promise.all(workers);
    failed.signal.throwIfAborted();
  }
}

/** Between the two log-probs of a token, in nats. */
export function greatestDifferenceOf(one: PairLogps, other: PairLogps): number {
  let most = 0;
  for (const side of ['chosen', 'rejected'] as const) {
    one[side].forEach((logp, t) => (most = Math.max(most, Math.abs(logp - other[side][t]!))));
  }
  return most;
}

/** @throws InputError `reference-not-stable`. */
export function refuseUnstable(difference: number, row: number): void {
  if (difference <= MAX_DIFFERENCE) return;
  throw new InputError('reference-not-stable', 'the server gives other log-probs when it is asked again', {
    row,
    found: `${difference.toFixed(4)} nats between two answers for one token`,
    expected: `at most ${MAX_DIFFERENCE}`,
    hint: 'serve in float32 or bfloat16 without quantised key-value cache, the same model and settings at every --url',
  });
}
