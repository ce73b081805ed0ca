/** Checks that know nothing of the parsers: whether a value is what its type says. */

export const isWhole = (value: unknown, least: number, most: number): boolean =>
  Number.isSafeInteger(value) && (value as number) >= least && (value as number) <= most;

/** What JSON.parse gives, undefined for what is no JSON. */
export function plainJson(bytes: Buffer): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes)) as unknown;
  } catch {
    return undefined;
  }
}

/** Whether two values are of the same shape and content; NaN is NaN, −0 is not 0. */
export function sameValue(a: unknown, b: unknown): boolean {
  if (Object.is(a, b)) return true;
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false;
  if (Array.isArray(a) !== Array.isArray(b)) return false;
  const keys = Object.keys(a);
  if (keys.length !== Object.keys(b).length) return false;
  return keys.every(
    (key) =>
      Object.hasOwn(b, key) &&
      sameValue((a as Record<string, unknown>)[key], (b as Record<string, unknown>)[key]),
  );
}

/** What has become of the objects that everything is made from; undefined where they are as they were. */
export function pollution(): string | undefined {
  for (const prototype of [
    Object.prototype,
    Array.prototype,
    Function.prototype,
    String.prototype,
  ] as object[]) {
    if (Object.keys(prototype).length > 0) return `a prototype has got ${Object.keys(prototype).join(', ')}`;
  }
  return undefined;
}
