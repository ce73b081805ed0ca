/** Lists of measurements in few numbers. */
export const median = (list) => [...list].sort((a, b) => a - b)[list.length >> 1];

export const mean = (list) => list.reduce((sum, value) => sum + value, 0) / list.length;

/** `median (smallest–largest)` */
export const spread = (list, digits = 2) =>
  `${median(list).toFixed(digits)} (${Math.min(...list).toFixed(digits)}–${Math.max(...list).toFixed(digits)})`;

/** Ratios of runs that stood beside each other. */
export const ratios = (over, under) => over.map((value, i) => value / under[i]);

/** A table row in Markdown. */
export const tableRow = (...cells) => `| ${cells.join(' | ')} |`;

/** Prints rows of cells as a Markdown table. */
export function printTable(heads, rows) {
  for (const row of [heads, heads.map(() => '---'), ...rows]) console.log(tableRow(...row));
}
