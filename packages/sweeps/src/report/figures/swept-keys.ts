/** Which swept keys vary by themselves, and which only along with others, as the keys of named runs do. */
import type { SweptRun } from '../../swept-run.js';
import { identityOf, isNumeric } from './swept-values.js';

/** A key that figures are drawn against. */
export interface PlottedKey {
  key: string;
  /** Keys that the lines are told apart by. */
  others: readonly string[];
  /** All keys that the runs of the plot differ in. */
  varying: readonly string[];
}

/** The keys of a sweep by what they can show. */
export interface KeyRoles {
  /** Those of more than one value. */
  varying: readonly string[];
  /** Few keys that say everything of a configuration; the earlier ones are preferred. */
  independent: readonly string[];
  plotted: readonly PlottedKey[];
  /** Keys that vary, but never by themselves. */
  dependent: readonly string[];
}

/**
 * Sorts keys into those that say everything and those whose values follow from the others'. A key of numbers that alone
 * goes one to one with an independent key is drawn, too: `runs: { few: { keep: 0.1 }, many: { keep: 0.9 } }`.
 */
export function keyRoles(runs: readonly SweptRun[], sweptKeys: readonly string[]): KeyRoles {
  const varying = [...new Set(sweptKeys)].filter((key) => settings(runs, [key]) > 1);
  let independent = varying;
  for (const key of [...varying].reverse()) {
    const fewer = independent.filter((other) => other !== key);
    if (settings(runs, fewer) === settings(runs, independent)) independent = fewer;
  }
  const dependent = varying.filter((key) => !independent.includes(key));
  const without = (left: string) => independent.filter((other) => other !== left);
  const plotted = independent.map((key) => ({ key, others: without(key), varying }));
  for (const key of dependent.filter((name) => isNumeric(runs, name))) {
    const partner = independent.find(
      (other) => goOneToOne(runs, key, other) && followers(runs, dependent, other).length === 1,
    );
    if (partner !== undefined) plotted.push({ key, others: without(partner), varying });
  }
  const shown = new Set(plotted.map(({ key }) => key));
  return { varying, independent, plotted, dependent: dependent.filter((key) => !shown.has(key)) };
}

function settings(runs: readonly SweptRun[], keys: readonly string[]): number {
  return new Set(runs.map((run) => identityOf(run, keys))).size;
}

/** Those of the keys whose values follow from one key. */
function followers(runs: readonly SweptRun[], keys: readonly string[], leader: string): string[] {
  const own = settings(runs, [leader]);
  return keys.filter((key) => settings(runs, [leader, key]) === own);
}

function goOneToOne(runs: readonly SweptRun[], a: string, b: string): boolean {
  const both = settings(runs, [a, b]);
  return settings(runs, [a]) === both && settings(runs, [b]) === both;
}
