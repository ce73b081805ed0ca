/** Requests that a server is given at one time: one more a round of answers, half when it cannot keep up (RFC 5681's idea). */
export class AdaptiveLimit {
  private value: number;
  private rounds = 0;

  constructor(
    private readonly most: number,
    first = 4,
  ) {
    this.value = Math.min(first, most);
  }

  /** Requests at one time, at least 1. */
  get current(): number {
    return Math.floor(this.value);
  }

  /** Which round a request begins in. */
  get round(): number {
    return this.rounds;
  }

  answered(): void {
    this.value = Math.min(this.most, this.value + 1 / this.value);
  }

  /** @param round that the request began in: requests that fail together halve once. */
  overloaded(round: number): void {
    if (round !== this.rounds) return;
    this.value = Math.max(1, this.value / 2);
    this.rounds++;
  }
}
