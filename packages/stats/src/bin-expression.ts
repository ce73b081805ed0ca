/** Bins of equal width in SQL. */
import type { Bins } from '@selective-dpo/data/figures';

/** SQL for the bin of a DOUBLE, as `binOf` gives it. */
export function binExpression(value: string, bins: Bins): string {
  const [begin, width, last] = [`${bins.begin}::DOUBLE`, `${bins.width}::DOUBLE`, bins.count - 1];
  const near = `floor((${value} - ${begin}) / ${width})`;
  // The quotient may be rounded over an edge: the edges themselves decide.
  const exact =
    `CASE WHEN ${value} < ${begin} + ${near} * ${width} THEN ${near} - 1 ` +
    `WHEN ${value} >= ${begin} + (${near} + 1) * ${width} THEN ${near} + 1 ELSE ${near} END`;
  return `least(greatest(${exact}, 0), ${last})::INTEGER`;
}
