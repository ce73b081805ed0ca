/**
 * Fields of values that came from a file. Only own properties count: in a decoded row a column named `__proto__`
 * may have become the row's prototype, and `constructor` or `toString` are nobody's data.
 */
import { quoteValue } from '@selective-dpo/foundation';

/** A row cannot be used, for the reason in the message. Caught where rows are read; never leaves the package. */
export class UnreadableRow extends Error {
  override readonly name = 'UnreadableRow';
}

/** An object that is neither null nor an array. */
export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The own property `name`, or undefined. */
export function ownField(record: Record<string, unknown>, name: string): unknown {
  return Object.hasOwn(record, name) ? record[name] : undefined;
}

/** Whether every one of `names` is an own property. */
export function hasFields(record: Record<string, unknown>, ...names: string[]): boolean {
  return names.every((name) => Object.hasOwn(record, name));
}

/** @throws UnreadableRow if the field is missing, null or not a text. */
export function textField(record: Record<string, unknown>, name: string, place = name): string {
  const value = ownField(record, name);
  if (typeof value !== 'string') throw new UnreadableRow(`${place} ${describeMissing(value, 'a text')}`);
  return value;
}

/** The text of a field that may be missing or null (then ''). @throws UnreadableRow if it is something else. */
export function optionalTextField(record: Record<string, unknown>, name: string): string {
  return (ownField(record, name) ?? null) === null ? '' : textField(record, name);
}

/** "is missing", "is null" or "is … where … is expected". */
export function describeMissing(value: unknown, expected: string): string {
  if (value === undefined) return 'is missing';
  if (value === null) return 'is null';
  return `is ${shortQuote(value)} where ${expected} is expected`;
}

const MAX_DETAIL_VALUE = 60;

function shortQuote(value: unknown): string {
  const text = quoteValue(value);
  return text.length > MAX_DETAIL_VALUE ? `${text.slice(0, MAX_DETAIL_VALUE)}…` : text;
}
