/** The study's tables out of the sweeps' results. */
import { readFileSync } from 'node:fs';

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

/** 97.5% quantiles of Student's t by degrees of freedom. */
const STUDENT = [NaN, 12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262];

export function mean(values) {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** Mean and half of the 95% interval of the mean over seeds. */
export function interval(values) {
  const center = mean(values);
  const variance = values.reduce((sum, value) => sum + (value - center) ** 2, 0) / (values.length - 1);
  return { mean: center, half: STUDENT[values.length - 1] * Math.sqrt(variance / values.length) };
}

/** `74.2 ± 3.1`, in per cent. */
export function percent(values) {
  const { mean: center, half } = interval(values);
  return `${(100 * center).toFixed(1)} ± ${(100 * half).toFixed(1)}`;
}

/** `1.42 ± 0.10`. */
export function plain(values) {
  const { mean: center, half } = interval(values);
  return `${center.toFixed(2)} ± ${half.toFixed(2)}`;
}
