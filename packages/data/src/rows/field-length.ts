/** How long a field of a row is. */

/**
 * Characters of all texts in a field, and one for every value, since turns without a text take time as well. Stops
 * above `most`.
 */
export function fieldLength(value: unknown, most: number): number {
  if (typeof value === 'string') return value.length;
  if (typeof value !== 'object' || value === null) return 1;
  if (ArrayBuffer.isView(value)) return value.byteLength;
  let length = 1;
  for (const inner of Object.values(value)) {
    length += fieldLength(inner, most);
    if (length > most) break;
  }
  return length;
}
