/** A table of plain text: the first column to the left, figures to the right. */

export type TableRow = readonly [label: string, ...figures: string[]];

/**
 * Lines of a table with one header row. Rows may have fewer figures than the header.
 * @param rows the first is the header.
 */
export function renderTable(rows: readonly TableRow[], indent = 2): string[] {
  const columns = Math.max(0, ...rows.map((row) => row.length));
  const widths = Array.from({ length: columns }, (_, column) =>
    Math.max(...rows.map((row) => row[column]?.length ?? 0)),
  );
  const margin = ' '.repeat(indent);
  const lines = rows.map((row) => {
    const cells = row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!)));
    return margin + cells.join('   ').trimEnd();
  });
  if (lines.length > 0) {
    const total = widths.reduce((sum, width) => sum + width, 0) + 3 * (columns - 1);
    lines.splice(1, 0, margin + '-'.repeat(total));
  }
  return lines;
}

/** 0.417 → `41.7%`. */
export function percent(share: number): string {
  return `${(100 * share).toFixed(1)}%`;
}
