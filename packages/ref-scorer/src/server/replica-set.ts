/**
 * All servers of a pass: a request goes to the one with most room, and to any of them again after a failure that passes. The pass
 * ends when none has answered for long, or when one request fails again and again while the servers answer others.
 */
import { InputError, TransientFailure, retryDelay, type ProgressListener } from '@selective-dpo/foundation';
import type { Replica } from './replica.js';
import type { ServerConnection } from './server-connection.js';
import type { Timing } from './server-options.js';

/** How often one request may fail on servers that work. */
const MAX_STRIKES = 12;

export class ReplicaSet {
  private answers = 0;
  private lastAnswerAt = -Infinity;
  private wake: (() => void) | undefined;
  private freed: Promise<void>;
  private toldDown = new Set<Replica>();

  constructor(
    private readonly replicas: readonly Replica[],
    private readonly timing: Timing,
    private readonly patienceMs: number,
    private readonly listener?: ProgressListener,
  ) {
    this.freed = this.nextFreed();
  }

  /**
   * What `work` gives on one of the servers.
   * @param row named in errors.
   * @throws InputError `servers-down`, `server-fails`; whatever else `work` throws; the signal's reason.
   */
  async ask<T>(
    row: number,
    work: (connection: ServerConnection) => Promise<T>,
    signal: AbortSignal,
  ): Promise<T> {
    const begun = this.timing.now();
    let strikes = 0;
    let answers = this.answers;
    for (;;) {
      const replica = await this.free(signal);
      try {
        const value = await replica.use(work, signal);
        this.answered(replica);
        return value;
      } catch (error) {
        if (!(error instanceof TransientFailure)) throw error;
        const servesOthers = this.answers > answers;
        answers = this.answers;
        if (servesOthers || error.kind === 'answer' || error.kind === 'timeout') strikes++;
        if (strikes >= MAX_STRIKES) throw failsAgain(replica, row, error, strikes);
        this.refuseDown(begun);
        this.tellDown(replica, error);
        const delay = retryDelay(Math.max(0, strikes - 1), undefined, this.timing.random());
        await this.timing.wait(delay, signal);
      } finally {
        this.release();
      }
    }
  }

  private answered(replica: Replica): void {
    this.answers++;
    this.lastAnswerAt = this.timing.now();
    if (!this.toldDown.delete(replica)) return;
    this.tell('server-up', `${replica.connection.name} answers again`);
  }

  /** The server with most room, as soon as one has any; a place there is reserved. */
  private async free(signal: AbortSignal): Promise<Replica> {
    for (;;) {
      signal.throwIfAborted();
      let best = this.replicas[0]!;
      for (const replica of this.replicas) if (replica.load < best.load) best = replica;
      if (best.load < Infinity) {
        best.reserve();
        return best;
      }
      await this.change(signal);
    }
  }

  /** Until a request has ended, or a server has rested. */
  private async change(signal: AbortSignal): Promise<void> {
    const rests = this.replicas.map(({ restsFor }) => restsFor).filter((rest) => rest > 0);
    const { freed } = this;
    if (rests.length === 0) {
      await freed;
      return;
    }
    const over = new AbortController();
    const waiting = this.timing.wait(Math.min(...rests), AbortSignal.any([signal, over.signal]));
    try {
      await Promise.race([freed, waiting]);
    } finally {
      over.abort();
      waiting.catch(() => undefined);
    }
  }

  private release(): void {
    this.wake?.();
    this.freed = this.nextFreed();
  }

  private nextFreed(): Promise<void> {
    return new Promise((resolve) => (this.wake = resolve));
  }

  private refuseDown(begun: number): void {
    const silent = this.timing.now() - Math.max(begun, this.lastAnswerAt);
    if (silent <= this.patienceMs) return;
    throw new InputError('servers-down', 'no server has answered for long', {
      file: this.replicas.map(({ connection }) => connection.name).join(', '),
      found: `${this.replicas.map(({ failure }) => failure?.message ?? 'no answer').join('; ')}, for ${Math.round(silent / 1000)} s`,
      expected: 'an answer',
      hint: 'start the server again, then run the same command: it goes on after the last published shard',
    });
  }

  private tellDown(replica: Replica, failure: TransientFailure): void {
    if (replica.restsFor === 0 || failure.kind !== 'connection' || this.toldDown.has(replica)) return;
    this.toldDown.add(replica);
    this.tell(
      'server-down',
      `${replica.connection.name} does not answer (${failure.message}): it is asked again later`,
    );
  }

  private tell(code: string, message: string): void {
    this.listener?.({ type: 'notice', code, message });
  }
}

function failsAgain(replica: Replica, row: number, failure: TransientFailure, times: number): InputError {
  return new InputError('server-fails', 'the server fails at a request again and again', {
    file: replica.connection.name,
    row,
    found: `${failure.message}, ${times} times`,
    expected: 'an answer',
    hint: 'its own log says why; run the same command again to go on after the last published shard',
  });
}
