/** Every combination of a sweep's settings: named runs × list × grid × seeds. */
import { InputError, quoteValue } from '@selective-dpo/foundation';
import type { Setting, SettingGroup, SweepFile } from '../file/sweep-file.js';

/** One run's settings as they were written. */
export interface Combination {
  /** Name of the named run it comes from. */
  runName?: string;
  /** Base, grid, list, named run, seed; later ones win. */
  settings: Setting[];
  /** What tells it from the others, in the order of its name: grid, list, seed. */
  varied: Setting[];
  /** The line that says most about it. */
  line: number;
}

/** Most runs of a sweep. */
const MAX_RUNS = 10_000;

/** Notes each key that two parts of the sweep would set, and a sweep of too many runs. */
export function checkCombinations(sweep: SweepFile, problems: InputError[]): void {
  const parts: [string, readonly Setting[]][] = [
    ['grid', sweep.grid.flatMap(({ settings }) => settings)],
    ['list', sweep.list.flatMap(({ settings }) => settings)],
    ['runs', sweep.runs.flatMap(({ settings }) => settings)],
    ['seeds', sweep.seeds],
  ];
  const owners = new Map<string, string>();
  const noted = new Set<string>();
  for (const [part, settings] of parts) {
    for (const { key, file, line } of settings) {
      const owner = owners.get(key) ?? part;
      owners.set(key, owner);
      if (owner === part || noted.has(`${part} ${key}`)) continue;
      noted.add(`${part} ${key}`);
      problems.push(
        new InputError('sweep-two-parts', 'two parts of the sweep set the same key', {
          ...{ file, line, found: `${quoteValue(key)} in ${part}`, expected: `it in ${owner} only` },
        }),
      );
    }
  }
  const count = countOf(sweep);
  if (count > MAX_RUNS) {
    problems.push(
      new InputError('sweep-too-large', 'the sweep has too many runs', {
        ...{ file: sweep.file, found: `${count} runs`, expected: `at most ${MAX_RUNS}` },
        hint: 'state several sweeps',
      }),
    );
  }
}

function countOf({ runs, list, grid, seeds }: SweepFile): number {
  return [runs, list, seeds, ...grid.map(({ settings }) => settings)].reduce(
    (product, { length }) => product * Math.max(1, length),
    1,
  );
}

/** All combinations in the order of the file; seeds change fastest. */
export function* combinations(sweep: SweepFile): Generator<Combination> {
  const nothing: SettingGroup[] = [{ line: 1, settings: [] }];
  const seeds = sweep.seeds.length > 0 ? sweep.seeds.map((seed) => [seed]) : [[]];
  for (const run of sweep.runs.length > 0 ? sweep.runs : nothing) {
    for (const item of sweep.list.length > 0 ? sweep.list : nothing) {
      for (const point of gridPoints(sweep.grid.map(({ settings }) => settings))) {
        for (const seed of seeds) {
          yield {
            ...(run.name === undefined ? {} : { runName: run.name }),
            settings: [...sweep.base, ...point, ...item.settings, ...run.settings, ...seed],
            varied: [...point, ...item.settings, ...(sweep.seeds.length > 1 ? seed : [])],
            line: run.name === undefined ? ((item.settings[0] ?? point[0])?.line ?? item.line) : run.line,
          };
        }
      }
    }
  }
}

/** The product of the axes; the last one changes fastest. */
function* gridPoints(axes: readonly (readonly Setting[])[], before: Setting[] = []): Generator<Setting[]> {
  const [axis, ...rest] = axes;
  if (axis === undefined) yield before;
  else for (const setting of axis) yield* gridPoints(rest, [...before, setting]);
}
