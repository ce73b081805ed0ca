/** Values of swept keys: how they are told apart, written and ordered. */
import type { SweptRun } from '../../swept-run.js';
import { MAX_LABEL } from '../bounds.js';
import { cutText } from '../shown-text.js';

/** A value of a swept key; undefined where a run does not name the key. */
export type SweptValue = string | number | boolean | undefined;

/** The value of a key in a run. */
export function valueOf({ values }: Pick<SweptRun, 'values'>, key: string): SweptValue {
  return Object.hasOwn(values, key) ? values[key] : undefined;
}

/** A text that is the same for the same values of these keys, and for no others. */
export function identityOf(run: Pick<SweptRun, 'values'>, keys: readonly string[]): string {
  return JSON.stringify(
    keys.map((key) => {
      const value = valueOf(run, key);
      return typeof value === 'number' ? [String(value)] : (value ?? null);
    }),
  );
}

/** A value as text. */
export function shownValue(value: SweptValue): string {
  return value === undefined ? '–' : cutText(String(value), MAX_LABEL);
}

/** `keep=0.4, cache=self`; the name alone of a named run. */
export function shownSetting(run: Pick<SweptRun, 'values'>, keys: readonly string[]): string {
  return keys
    .map((key) => {
      const value = shownValue(valueOf(run, key));
      return key === 'run' ? value : `${cutText(key, MAX_LABEL)}=${value}`;
    })
    .join(', ');
}

/** Whether a key's values can stand on a number axis: finite numbers, at least two of them; runs without a value aside. */
export function isNumeric(runs: readonly SweptRun[], key: string): boolean {
  const values = runs.map((run) => valueOf(run, key)).filter((value) => value !== undefined);
  return values.every((value) => Number.isFinite(value)) && new Set(values).size > 1;
}

/** The distinct values of a key: numbers by size, others in the order they first come in. */
export function distinctValues(runs: readonly SweptRun[], key: string): SweptValue[] {
  const values = [...new Set(runs.map((run) => valueOf(run, key)))];
  return isNumeric(runs, key) ? values.sort((a, b) => Number(a ?? Infinity) - Number(b ?? Infinity)) : values;
}

/** Things by an identity, in the order their identities first come in. */
export function groupBy<T>(things: readonly T[], identity: (thing: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const thing of things) {
    const id = identity(thing);
    const group = groups.get(id);
    if (group === undefined) groups.set(id, [thing]);
    else group.push(thing);
  }
  return groups;
}
