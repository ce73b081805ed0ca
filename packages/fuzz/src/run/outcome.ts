/** What became of one mutated input. */

/** In order: a right result, a typed error, and five ways to fail. */
export type OutcomeKind = 'right' | 'refused' | 'wrong' | 'untyped' | 'hang' | 'memory' | 'crash';

export interface Outcome {
  index: number;
  kind: OutcomeKind;
  /** The code of a typed error; else what happened. */
  detail: string;
  /** Of the process, in milliseconds. */
  cpuMs: number;
  /** Beyond what the process took at rest, in MiB. */
  memoryMiB: number;
}

export const FAILURES: readonly OutcomeKind[] = ['wrong', 'untyped', 'hang', 'memory', 'crash'];

export function isFailure({ kind }: Pick<Outcome, 'kind'>): boolean {
  return FAILURES.includes(kind);
}
