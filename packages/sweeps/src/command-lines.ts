/** The runs of a sweep as command lines, for whatever starts programs elsewhere. */
import { resolve } from 'node:path';
import { trainArguments } from './plan/planned-run.js';
import { placeRuns, type RunPlace } from './pool/run-folders.js';
import type { SweepPlan } from './plan/plan-sweep.js';

/**
 * One command line a run that is not finished, in the order of the file; each goes on where it was stopped.
 * @param program program and first words of the command line `sdpo`.
 * @throws InputError `not-a-folder`.
 */
export async function commandLines(
  plan: SweepPlan,
  directory: string,
  program: readonly string[],
): Promise<string[]> {
  const places = await placeRuns(resolve(directory), plan.runs);
  return places.filter(({ finished }) => !finished).map((place) => commandLine(place, program));
}

/** The command line that trains one run. */
export function commandLine({ run, directory }: RunPlace, program: readonly string[]): string {
  return [...program, ...trainArguments(run, directory)].map(shellQuote).join(' ');
}

/** A word as a POSIX shell reads it back (IEEE Std 1003.1, 2.2.2). */
export function shellQuote(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}
