/** The body of an answer, piece by piece, with a limit to each wait. */

/** A clock that runs while something is waited for; when it runs down, its signal is aborted. */
export class IdleLimit {
  private readonly controller = new AbortController();
  private timer: NodeJS.Timeout | undefined;

  /** @param ms longest wait. */
  constructor(private readonly ms: number) {}

  get signal(): AbortSignal {
    return this.controller.signal;
  }

  /** A wait begins. */
  start(): void {
    this.stop();
    this.timer = setTimeout(() => this.controller.abort(), this.ms);
  }

  /** It is over. */
  stop(): void {
    clearTimeout(this.timer);
  }

  /** Ends the connection that the signal was given to. */
  abandon(): void {
    this.stop();
    this.controller.abort();
  }
}

/**
 * Pieces of a body as they come, none of them empty. Time that the reader takes for a piece is no wait.
 * @param explained what is thrown in place of a failure of the connection.
 */
export async function* piecesOf(
  body: ReadableStream<Uint8Array> | null,
  idle: IdleLimit,
  explained: (error: unknown) => unknown,
): AsyncGenerator<Uint8Array, void> {
  const reader = body?.getReader();
  try {
    for (;;) {
      idle.start();
      const { done, value } = (await reader?.read()) ?? { done: true, value: undefined };
      idle.stop();
      if (done) return;
      if (value.length > 0) yield value;
    }
  } catch (error) {
    throw explained(error);
  } finally {
    idle.abandon();
  }
}
