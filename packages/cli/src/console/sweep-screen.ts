/** What happens in a sweep, as it is shown: a table that is written over on a terminal, plain lines elsewhere, objects for programs. */
import type { ProgressEvent } from '@selective-dpo/foundation';
import type { RunProgress, SweepEvent } from '@selective-dpo/sweeps';
import { renderTable, type TableRow } from '../demo/result-table.js';
import type { ConsoleWriter } from './console-writer.js';
import { formatDuration } from './format.js';

/** Runs that the table shows; a pool seldom has more. */
const MAX_SHOWN = 20;
/** Width of a run's name in the table. */
const MAX_NAME = 40;

export class SweepScreen {
  private readonly running = new Map<string, RunProgress | undefined>();
  private sweep: ProgressEvent | undefined;

  /** @param metric name of the figure beside the loss, e.g. `eval/rewards/accuracies`. */
  constructor(
    private readonly writer: ConsoleWriter,
    private readonly metric: string,
  ) {}

  /** Listener for a sweep. */
  readonly listen = (event: SweepEvent): void => {
    const { writer, running } = this;
    switch (event.type) {
      case 'run-started':
        running.set(event.run, undefined);
        writer.event(event, writer.isTerminal ? undefined : `started ${event.run}`);
        break;
      case 'run-progress':
        running.set(event.run, event);
        if (writer.json) writer.event(event);
        else if (!writer.isTerminal) writer.listen(progressOf(event, this.metric));
        break;
      case 'run-ended':
        running.delete(event.run);
        writer.event(event, this.endOf(event));
        break;
      case 'progress':
        this.sweep = event;
        if (!writer.isTerminal) writer.listen(event);
        break;
      case 'notice':
        writer.listen(event);
    }
    if (running.size > 0) writer.block(() => this.table());
  };

  private endOf(event: Extract<SweepEvent, { type: 'run-ended' }>): string {
    const { run, status } = event;
    if (event.status === 'failed') return `${status} ${run}: ${event.message}`;
    const figures = event.status === 'finished' ? event.figures : {};
    const shown = ['train/loss', this.metric]
      .filter((name) => figures[name] !== undefined)
      .map((name) => `${name} ${figures[name]!.toFixed(4)}`);
    return [`${status} ${run}`, ...shown].join(' · ');
  }

  private table(): string[] {
    const { running, sweep, metric } = this;
    const rows = [...running].slice(0, MAX_SHOWN).map(([run, progress]): TableRow => {
      const name = run.length > MAX_NAME ? `${run.slice(0, MAX_NAME - 1)}…` : run;
      if (progress === undefined) return [name, 'starting'];
      const { done, total, figures, secondsLeft } = progress;
      return [
        ...([name, `${done}/${total}`] as const),
        figures['train/loss']?.toFixed(4) ?? '',
        figures[metric]?.toFixed(4) ?? '',
        secondsLeft === undefined ? '' : formatDuration(secondsLeft),
      ];
    });
    const left = sweep?.secondsLeft === undefined ? '' : ` · about ${formatDuration(sweep.secondsLeft)} left`;
    const done = sweep === undefined ? '' : `${sweep.done}/${sweep.total} runs ended${left}`;
    return [
      ...renderTable([['run', 'step', 'loss', metric.split('/').at(-1)!, 'left'], ...rows]),
      `  ${done}`,
    ];
  }
}

/** A run's progress as a line elsewhere than on a terminal. */
function progressOf(event: RunProgress & { run: string }, metric: string): ProgressEvent {
  const { run, done, total, secondsLeft, figures } = event;
  const shown = ['train/loss', metric].flatMap((name) =>
    figures[name] === undefined ? [] : [[name, figures[name]] as const],
  );
  return {
    ...{ type: 'progress', stage: run, done, total, unit: 'steps', secondsLeft },
    ...{ ratePerSecond: event.stepsPerSecond, figures: Object.fromEntries(shown) },
  };
}
