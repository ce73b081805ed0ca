/** Medians with their spread, and tables of them, for the benches beside it. */

export const median = (list) => [...list].sort((a, b) => a - b)[list.length >> 1];

/** `median (smallest–largest)`. */
export const spread = (list, digits = 0) =>
  `${median(list).toFixed(digits)} (${Math.min(...list).toFixed(digits)}–${Math.max(...list).toFixed(digits)})`;

/** Prints rows of cells as a Markdown table. */
export function printTable(heads, rows) {
  for (const row of [heads, heads.map(() => '---'), ...rows]) console.log(`| ${row.join(' | ')} |`);
}
