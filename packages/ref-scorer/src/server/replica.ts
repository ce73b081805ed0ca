/** One of the servers that run the reference: how much it is given, when it rests, and whether it is still the same model. */
import { TransientFailure, retryDelay } from '@selective-dpo/foundation';
import { AdaptiveLimit } from './adaptive-limit.js';
import type { ServerConnection } from './server-connection.js';
import type { Timing } from './server-options.js';

/** Lost connections in a row after which a server is left alone for a while. */
const LOST_BEFORE_REST = 2;

export class Replica {
  private readonly limit: AdaptiveLimit;
  private inFlight = 0;
  private restUntil = 0;
  private lostInARow = 0;
  private inspection: Promise<void> | undefined;
  /** The last failure since its last answer. */
  failure: TransientFailure | undefined;

  /**
   * @param inspect holds what the server says of itself against what the pass began with; done before the first request and after
   *   every lost connection, since another model may run there since.
   */
  constructor(
    readonly connection: ServerConnection,
    concurrency: number,
    private readonly timing: Timing,
    private readonly inspect: (connection: ServerConnection, signal: AbortSignal) => Promise<void>,
  ) {
    this.limit = new AdaptiveLimit(concurrency);
  }

  /** Share of its room that is taken; Infinity while there is none. */
  get load(): number {
    const { current } = this.limit;
    return this.restsFor > 0 || this.inFlight >= current ? Infinity : this.inFlight / current;
  }

  /** Milliseconds for which it is left alone. */
  get restsFor(): number {
    return Math.max(0, this.restUntil - this.timing.now());
  }

  /** Takes a place, which {@link use} gives back: between the two nobody else can. */
  reserve(): void {
    this.inFlight++;
  }

  /** Does work in a place that was reserved. @throws what `work` throws, after taking note of it. */
  async use<T>(work: (connection: ServerConnection) => Promise<T>, signal: AbortSignal): Promise<T> {
    const { round } = this.limit;
    try {
      await this.inspected(signal);
      const value = await work(this.connection);
      this.limit.answered();
      this.lostInARow = 0;
      this.failure = undefined;
      return value;
    } catch (error) {
      if (error instanceof TransientFailure) this.failed(error, round);
      throw error;
    } finally {
      this.inFlight--;
    }
  }

  /** Requests that come together wait for one inspection. */
  private inspected(signal: AbortSignal): Promise<void> {
    this.inspection ??= this.inspect(this.connection, signal).catch((error: unknown) => {
      this.inspection = undefined;
      throw error;
    });
    return this.inspection;
  }

  /** Leaves it alone from the beginning. */
  startResting(failure: TransientFailure): void {
    this.lostInARow = LOST_BEFORE_REST - 1;
    this.failed(failure, this.limit.round);
  }

  private failed(failure: TransientFailure, round: number): void {
    this.failure = failure;
    if (failure.kind === 'connection') {
      this.inspection = undefined;
      this.lostInARow++;
    }
    if (failure.kind === 'overload' || failure.kind === 'timeout') this.limit.overloaded(round);
    const lost = failure.kind === 'connection' && this.lostInARow >= LOST_BEFORE_REST;
    if (!lost && failure.kind !== 'overload' && failure.askedMs === undefined) return;
    const attempt = Math.max(0, this.lostInARow - LOST_BEFORE_REST);
    const rest = retryDelay(Math.min(attempt, 10), failure.askedMs, this.timing.random());
    this.restUntil = Math.max(this.restUntil, this.timing.now() + rest);
  }
}
