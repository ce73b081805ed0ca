/** The figures of a run as `metrics.jsonl` grows: only new bytes are read. */
import { Curve, type Point } from '@selective-dpo/sweeps/plots';
import { isObject } from '../files/json-file.js';
import type { SiteFiles } from '../files/site-files.js';

/** Bytes read at once. */
const PIECE = 4 << 20;
/** Points of a curve, curves of a run, and characters of a line that are held. */
const [MAX_POINTS, MAX_CURVES, MAX_LINE] = [400, 400, 1 << 20];

export interface RunFigures {
  /** Optimiser steps done. */
  steps: number;
  /** [step, value] in the order of the file, by name with the split in front: `train/loss`. */
  curves: ReadonlyMap<string, readonly Point[]>;
  /** Last values by the same names. */
  last: ReadonlyMap<string, number>;
  /** Lines that could not be read: no JSON, not of a step, or with a figure that is no number. */
  odd: number;
  /** Whether the file ends inside a line: one that is being written, or that a run which was killed left behind. */
  cut: boolean;
}

/** Reads a file of metrics, again and again if it grows. Memory: {@link MAX_POINTS} points a curve. */
export class MetricsTail {
  private at = 0;
  private rest = '';
  private decoder = new TextDecoder();
  private curves = new Map<string, Curve>();
  private last = new Map<string, number>();
  private steps = 0;
  private odd = 0;

  constructor(
    private readonly files: SiteFiles,
    private readonly path: string,
    private readonly points = MAX_POINTS,
  ) {}

  /** Reads what is new. @returns whether there was anything. @throws SiteProblem */
  async follow(): Promise<boolean> {
    const before = this.at;
    for (;;) {
      // The last known byte comes along: a host calls a range without any byte an error.
      const again = Math.min(1, this.at);
      const start = this.at - again;
      const { bytes, total } = await this.files.read(this.path, { start, end: start + PIECE });
      if (total < this.at) {
        // Another run began in its place.
        this.restart();
        continue;
      }
      this.at = Math.max(this.at, start + bytes.length);
      this.take(this.decoder.decode(bytes.subarray(again), { stream: true }));
      if (bytes.length <= again || this.at >= total) return this.at !== before;
    }
  }

  get figures(): RunFigures {
    const curves = new Map([...this.curves].map(([name, curve]) => [name, curve.points]));
    return { steps: this.steps, curves, last: new Map(this.last), odd: this.odd, cut: this.rest !== '' };
  }

  private restart(): void {
    [this.at, this.rest, this.steps, this.odd] = [0, '', 0, 0];
    [this.decoder, this.curves, this.last] = [new TextDecoder(), new Map(), new Map()];
  }

  private take(text: string): void {
    const lines = (this.rest + text).split('\n');
    this.rest = lines.pop()!;
    if (this.rest.length > MAX_LINE) [this.rest, this.odd] = ['', this.odd + 1];
    for (const line of lines) if (line !== '' && !this.takeLine(line)) this.odd++;
  }

  /** @returns whether all of it could be read; the figures that could are taken. */
  private takeLine(line: string): boolean {
    let values: unknown;
    try {
      values = JSON.parse(line);
    } catch {
      return false;
    }
    if (!isObject(values)) return false;
    const { split, step } = values as { split?: unknown; step?: unknown };
    if (typeof split !== 'string' || typeof step !== 'number' || !Number.isFinite(step)) return false;
    if (split === 'train') this.steps = step;
    let whole = true;
    for (const [name, value] of Object.entries(values)) {
      if (name === 'split' || name === 'step' || name === 'time') continue;
      if (typeof value !== 'number') {
        whole = false;
        continue;
      }
      const full = `${split}/${name}`;
      let curve = this.curves.get(full);
      if (curve === undefined) {
        if (this.curves.size >= MAX_CURVES) continue;
        this.curves.set(full, (curve = new Curve(this.points)));
      }
      curve.add([step, value]);
      this.last.set(full, value);
    }
    return whole;
  }
}
