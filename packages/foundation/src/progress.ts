/** Progress of long work as typed events. Libraries emit them; the command line renders them. */

export interface ProgressEvent {
  type: 'progress';
  /** Name of the phase, e.g. `score`, `train`, `verify`. */
  stage: string;
  done: number;
  /** undefined while it is not known. */
  total: number | undefined;
  /** What `done` counts: `pairs`, `steps`, `shards`. */
  unit: string;
  /** Units per second since this process began the phase. */
  ratePerSecond: number;
  secondsLeft: number | undefined;
  /** Figures to show beside it, e.g. `{ loss: 0.61, 'tokens/s': 5200 }`. */
  figures?: Record<string, number>;
}

export interface NoticeEvent {
  type: 'notice';
  /** Stable identifier in kebab case. */
  code: string;
  message: string;
  /** The numbers of the message, for programs. */
  figures?: Record<string, number>;
}

export type ProgressListener = (event: ProgressEvent | NoticeEvent) => void;

/** Counts units of work and says how fast it goes and how long it will still take. */
export class ProgressMeter {
  private readonly startedAt: number;
  private done: number;

  /**
   * @param alreadyDone units finished by an earlier process (a resumed run): they do not count for the rate.
   * @param now a clock in milliseconds.
   */
  constructor(
    private readonly stage: string,
    private readonly unit: string,
    private readonly total: number | undefined,
    private readonly alreadyDone = 0,
    private readonly now: () => number = () => performance.now(),
  ) {
    this.startedAt = now();
    this.done = alreadyDone;
  }

  /** Adds `units` and returns the event to emit. */
  advance(units: number, figures?: Record<string, number>): ProgressEvent {
    this.done += units;
    const seconds = Math.max((this.now() - this.startedAt) / 1000, 1e-9);
    const ratePerSecond = (this.done - this.alreadyDone) / seconds;
    const left = this.total === undefined ? undefined : Math.max(this.total - this.done, 0);
    return {
      type: 'progress',
      stage: this.stage,
      done: this.done,
      total: this.total,
      unit: this.unit,
      ratePerSecond,
      secondsLeft: left === undefined || ratePerSecond === 0 ? undefined : left / ratePerSecond,
      ...(figures === undefined ? {} : { figures }),
    };
  }
}
