/** From a sweep file to its runs. Everything is checked before anything is started, and all problems are told at once. */
import { InputError, InputErrors, describeProblem, quoteValue } from '@selective-dpo/foundation';
import { checkSetting, resolveEntries } from '@selective-dpo/trainer';
import { readSweepFile, type Setting, type Source, type SweepFile } from '../file/sweep-file.js';
import type { Scalar } from '../file/yaml-outline.js';
import { checkCombinations, combinations, type Combination } from './combinations.js';
import { KEY_DIGITS, folderName, runDigest, type PlannedRun } from './planned-run.js';
import { SweepSources, partOfSources, type PolicyLocator } from './sources.js';

export interface SweepPlan {
  file: string;
  /** In the order of the file. */
  runs: PlannedRun[];
  /** Keys that differ between runs or may, without the seed; `run` stands for the names of named runs. */
  sweptKeys: string[];
}

const MAX_PROBLEMS = 100;

/**
 * Reads and checks a sweep.
 * @param locator asked for policies that are no folders.
 * @throws InputErrors with every problem of the file and of the folders it names; InputError for a file that cannot be read;
 *   Interrupted where the locator was stopped.
 */
export async function planSweep(file: string, locator?: PolicyLocator): Promise<SweepPlan> {
  const problems: InputError[] = [];
  const sweep = await readSweepFile(file, problems);
  const sources = new SweepSources(sweep, problems, locator);
  sources.addImpliedAxes();
  checkCombinations(sweep, problems);
  await checkSettings(sweep, sources, problems);
  refuse(problems, file);
  const sweptKeys = sweptKeysOf(sweep);
  const runs: PlannedRun[] = [];
  const seen = new Map<string, PlannedRun>();
  for (const combination of combinations(sweep)) {
    const run = await planRun(combination, sources, sweptKeys, problems);
    if (run === undefined) continue;
    noteControls(run, combination, file, problems);
    noteDuplicate(run, seen, combination, file, problems);
    runs.push(run);
  }
  refuse(problems, file);
  return { file, runs, sweptKeys };
}

/** Checks each setting by itself, and every folder that is named. */
async function checkSettings(sweep: SweepFile, sources: SweepSources, problems: InputError[]): Promise<void> {
  const groups = [...sweep.list, ...sweep.runs].map(({ settings }) => settings);
  const choosing = [...sweep.grid.map(({ settings }) => settings), ...groups].map(partOfSources);
  const training = [...sweep.base, ...sweep.seeds, ...choosing.flatMap((part) => part.training)];
  for (const setting of training) checkSetting(setting, problems);
  // An unknown key without values has no setting that would tell.
  for (const { key, line, settings } of sweep.grid) {
    if (settings.length === 0) noteUnknownKey({ key, value: '', file: sweep.file, line }, problems);
  }
  // Policies last: one may have to be fetched.
  for (const kind of ['cache', 'policy'] as const) {
    const chosen = choosing.flatMap((part) => part.sources).filter(({ key }) => key === kind);
    const named = chosen.flatMap((setting) => sources.chosen(setting) ?? []);
    const all = [...sweep.sources[kind].sources, ...named];
    if (all.length === 0 && chosen.length === 0) sources.of(kind, [], 1);
    const byFolder = new Map<string, Source>(all.map((source) => [source.directory, source]));
    for (const source of byFolder.values()) await sources.check(kind, source);
  }
}

function noteUnknownKey(setting: Setting, problems: InputError[]): void {
  if (partOfSources([setting]).sources.length > 0) return;
  const found: InputError[] = [];
  checkSetting(setting, found);
  problems.push(...found.filter(({ code }) => code === 'config-unknown-key'));
}

async function planRun(
  { runName, settings, varied, line }: Combination,
  sources: SweepSources,
  sweptKeys: readonly string[],
  problems: InputError[],
): Promise<PlannedRun | undefined> {
  const config = resolveEntries(partOfSources(settings).training, problems);
  const policy = sources.of('policy', settings, line);
  const cache = sources.of('cache', settings, line);
  if (config === undefined || policy === undefined || cache === undefined) return undefined;
  const made = {
    policySha256: await sources.digest('policy', policy),
    cacheManifestSha256: await sources.digest('cache', cache),
    config,
  };
  const digest = runDigest(made);
  const key = digest.slice(0, KEY_DIGITS);
  const parts = varied.map((setting) => `${setting.key}=${setting.value}`);
  const name = [...(runName === undefined ? [] : [runName]), ...parts].join('_') || 'run';
  const known: Record<string, Scalar> = {
    ...config,
    ...{ policy: policy.name, cache: cache.name },
    ...(runName === undefined ? {} : { run: runName }),
  };
  return {
    ...{ name, folder: folderName(name, key), key, digest, made },
    ...{ policyDirectory: sources.folderOf(policy), cacheDirectory: sources.folderOf(cache) },
    values: Object.fromEntries(sweptKeys.map((swept) => [swept, known[swept]!])),
  };
}

/** A name is printed, and may come from a path or from a name of a cache. */
function noteControls(
  { name }: PlannedRun,
  { line }: Combination,
  file: string,
  problems: InputError[],
): void {
  // eslint-disable-next-line no-control-regex
  if (!/[\u0000-\u001f\u007f-\u009f]/.test(name)) return;
  problems.push(
    new InputError('sweep-name', 'a name that cannot be used for a run', {
      ...{ file, line, found: quoteValue(name), expected: 'a name without control characters' },
    }),
  );
}

function noteDuplicate(
  run: PlannedRun,
  seen: Map<string, PlannedRun>,
  { line }: Combination,
  file: string,
  problems: InputError[],
): void {
  const note = (message: string, other: PlannedRun) =>
    problems.push(
      new InputError('sweep-duplicate', message, {
        ...{ file, line, found: quoteValue(run.name), hint: `compare it with ${quoteValue(other.name)}` },
      }),
    );
  const same = seen.get(run.digest);
  const sameName = seen.get(`name ${run.name}`);
  const sameFolder = seen.get(`folder ${run.folder}`);
  if (same !== undefined) note('the run has the same settings as another one', same);
  else if (sameName !== undefined) note('two runs have the same name', sameName);
  else if (sameFolder !== undefined) note('two runs would have the same folder', sameFolder);
  for (const key of [run.digest, `name ${run.name}`, `folder ${run.folder}`]) seen.set(key, run);
}

function sweptKeysOf(sweep: SweepFile): string[] {
  const groups = [...sweep.list, ...sweep.runs].flatMap(({ settings }) => settings);
  const keys = [
    ...(sweep.runs.length > 0 ? ['run'] : []),
    ...[...sweep.grid, ...groups].map(({ key }) => key),
  ];
  return [...new Set(keys)].filter((key) => key !== 'seed');
}

/** In the order of the lines; one that several runs share is told once. */
function refuse(problems: readonly InputError[], file: string): void {
  if (problems.length === 0) return;
  const byText = new Map(problems.map((problem) => [describeProblem(problem), problem]));
  const lineOf = ({ details }: InputError) => (details.file === file ? (details.line ?? 0) : Infinity);
  const sorted = [...byText.values()].sort((a, b) =>
    lineOf(a) < lineOf(b) ? -1 : lineOf(a) > lineOf(b) ? 1 : 0,
  );
  const shown = sorted.slice(0, MAX_PROBLEMS);
  if (sorted.length > shown.length) {
    shown.push(new InputError('more-problems', `${sorted.length - shown.length} more problems`, { file }));
  }
  throw new InputErrors(shown);
}
