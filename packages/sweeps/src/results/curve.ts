/** A curve of bounded size: every n-th point, n doubling as points come, and the last one. */

export type Point = readonly [step: number, value: number];

export class Curve {
  private kept: Point[] = [];
  private stride = 1;
  private count = 0;
  private last: Point | undefined;

  /** @param limit points that are kept at most, at least 2. */
  constructor(private readonly limit: number) {}

  /** Adds a point behind all others. */
  add(point: Point): void {
    this.last = point;
    if (this.count++ % this.stride !== 0) return;
    this.kept.push(point);
    if (this.kept.length < this.limit) return;
    this.kept = this.kept.filter((_, index) => index % 2 === 0);
    this.stride *= 2;
  }

  /** The points in the order they came in: the first, the last, and some between. */
  get points(): Point[] {
    return this.last === undefined || this.kept.at(-1) === this.last ? this.kept : [...this.kept, this.last];
  }
}
