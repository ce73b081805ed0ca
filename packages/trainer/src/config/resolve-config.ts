/**
 * From a YAML file and `key=value` words to a checked configuration. All problems are reported at once, each with
 * the file and line or the word it stands in.
 */
import { InputError, InputErrors, nearestName, quoteValue } from '@selective-dpo/foundation';
import { expectation } from '@selective-dpo/data';
import { entriesOfFile, scalarOf, type Entry } from './config-yaml.js';
import { combinationErrors } from './combinations.js';
import { TRAINING_KEYS, trainingConfigSchema, type TrainingConfig } from './training-config.js';

/**
 * Resolves a configuration: defaults, then the file, then the words, later ones winning.
 * @param overrides words of the form `key=value`; values are read as YAML scalars.
 * @throws InputErrors naming every unknown key (with the nearest known one), every value out of its limits, and else every
 *   setting that has no meaning beside the others.
 */
export async function resolveTrainingConfig(
  file: string | undefined,
  overrides: readonly string[],
): Promise<TrainingConfig> {
  const problems: InputError[] = [];
  const entries = [
    ...(file === undefined ? [] : await entriesOfFile(file, problems)),
    ...entriesOfWords(overrides, problems),
  ];
  const config = resolveEntries(entries, problems);
  if (problems.length > 0 || config === undefined) throw new InputErrors(problems);
  return config;
}

/**
 * Resolves settings that were read already: defaults, then the entries, later ones winning.
 * @param problems what is wrong is added here: every unknown key, every value out of its limits, and else every setting that
 *   has no meaning beside the others.
 * @returns undefined where a value is out of its limits.
 */
export function resolveEntries(
  entries: readonly Entry[],
  problems: InputError[],
): TrainingConfig | undefined {
  const last = new Map(entries.map((entry) => [entry.key, entry]));
  const config = valuesOf(last, problems);
  if (config !== undefined) problems.push(...combinationErrors(config, (key) => placeOf(last.get(key))));
  return config;
}

/** Checks one setting by itself, whatever else will be set. @param problems what is wrong with it is added here. */
export function checkSetting(entry: Entry, problems: InputError[]): void {
  valuesOf(new Map([[entry.key, entry]]), problems);
}

function valuesOf(last: ReadonlyMap<string, Entry>, problems: InputError[]): TrainingConfig | undefined {
  const known = [...last.values()].filter((entry) => isKnown(entry, problems));
  const values = Object.fromEntries(known.map(({ key, value }) => [key, value]));
  const result = trainingConfigSchema.safeParse({ ...defaultsOfLoss(values), ...values });
  for (const issue of result.error?.issues ?? []) {
    const entry = last.get(String(issue.path[0]));
    problems.push(
      new InputError('config-value', `${String(issue.path[0])} has a value that is not allowed`, {
        ...placeOf(entry),
        found: shown(entry?.value),
        expected: expectation(issue),
      }),
    );
  }
  return result.data;
}

/** Losses of the chosen response alone are baselines on all of its tokens, unless a selection is asked for. */
function defaultsOfLoss({ loss, selection, keep }: Record<string, unknown>): Partial<TrainingConfig> {
  const onAllTokens = (loss === 'sft' || loss === 'distillation') && (selection ?? keep) === undefined;
  return onAllTokens ? { selection: 'all' } : {};
}

function isKnown(entry: Entry, problems: InputError[]): boolean {
  if ((TRAINING_KEYS as string[]).includes(entry.key)) return true;
  const near = nearestName(entry.key, TRAINING_KEYS);
  problems.push(
    new InputError('config-unknown-key', 'unknown training key', {
      ...placeOf(entry),
      found: quoteValue(entry.key),
      expected: near === undefined ? `one of ${TRAINING_KEYS.join(', ')}` : near,
      hint: near === undefined ? 'see sdpo train --help' : `did you mean ${near}?`,
    }),
  );
  return false;
}

/** A value as messages show it; JSON has no name for NaN and the infinities. */
function shown(value: unknown): string {
  return typeof value === 'number' ? String(value) : quoteValue(value);
}

function placeOf(entry: Entry | undefined): { file?: string; line?: number } {
  if (entry === undefined) return {};
  return entry.line === undefined ? { file: entry.file } : { file: entry.file, line: entry.line };
}

function entriesOfWords(words: readonly string[], problems: InputError[]): Entry[] {
  return words.flatMap((word) => {
    const cut = word.indexOf('=');
    if (cut > 0) {
      return [
        {
          key: word.slice(0, cut),
          value: scalarOf(word.slice(cut + 1)),
          file: `argument ${quoteValue(word)}`,
        },
      ];
    }
    problems.push(
      new InputError('config-word', 'not a training option', {
        found: quoteValue(word),
        expected: 'key=value',
      }),
    );
    return [];
  });
}
