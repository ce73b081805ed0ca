/** The study's tables out of the sweeps' results. */
import { readFileSync } from 'node:fs';
import { summarize } from '../../packages/sweeps/dist/index.js';

/** Rows of a table that a sweep or the judge has written; numbers where they are. Its cells hold no commas and no quotes. */
export function readTable(file) {
  const [header, ...lines] = readFileSync(file, 'utf8').trim().split('\n');
  const names = header.split(',');
  return lines.map((line) => {
    const cells = line.split(',');
    return Object.fromEntries(names.map((name, i) => [name, valueOf(name, cells[i] ?? '')]));
  });
}

/** A key's hexadecimal digits can look like a number. */
function valueOf(name, text) {
  return name !== 'key' && text !== '' && Number.isFinite(Number(text)) ? Number(text) : text;
}

/** Groups rows by the values of some columns, in the order in which they come. */
export function groupsOf(rows, columns) {
  const groups = new Map();
  for (const row of rows) {
    const key = JSON.stringify(columns.map((column) => row[column]));
    groups.set(key, [...(groups.get(key) ?? []), row]);
  }
  return [...groups.values()];
}

/** `74.2 ± 3.1`, in per cent. */
export function percent(values) {
  const { mean: center, half } = summarize(values);
  return `${(100 * center).toFixed(1)} ± ${(100 * half).toFixed(1)}`;
}

/** `1.42 ± 0.10`. */
export function plain(values) {
  const { mean: center, half } = summarize(values);
  return `${center.toFixed(2)} ± ${half.toFixed(2)}`;
}
