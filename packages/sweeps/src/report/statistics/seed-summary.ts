/** What runs that differ in their seeds alone say of one figure. */
import { studentT95 } from './student-t.js';

/** Summary of one figure over seeds. */
export interface SeedSummary {
  /** Finite values. */
  count: number;
  /** Values that are NaN or infinite; they are in none of the figures below. */
  notFinite: number;
  mean: number;
  smallest: number;
  largest: number;
  /** Standard deviation over √count, where there are two values at least. */
  standardError?: number;
  /** Half of the 95% interval of the mean by Student's t, where there are two values at least. */
  half?: number;
}

/** Mean, standard error and 95% t-interval. @returns undefined where no value is finite. */
export function summarize(values: readonly number[]): SeedSummary | undefined {
  const finite = values.filter(Number.isFinite);
  const count = finite.length;
  if (count === 0) return undefined;
  // Divided first: sums of large values would overflow.
  const mean = finite.reduce((sum, value) => sum + value / count, 0);
  const summary: SeedSummary = {
    count,
    notFinite: values.length - count,
    mean,
    // Not spread over arguments: there may be many values.
    smallest: finite.reduce((a, b) => Math.min(a, b)),
    largest: finite.reduce((a, b) => Math.max(a, b)),
  };
  if (count < 2) return summary;
  const variance = finite.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (count - 1);
  const standardError = Math.sqrt(variance / count);
  // The squares of large values overflow.
  if (!Number.isFinite(standardError)) return summary;
  return { ...summary, standardError, half: studentT95(count - 1) * standardError };
}
