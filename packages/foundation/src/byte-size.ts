/** Sizes of memory as people write them. */

const UNITS: Readonly<Record<string, number>> = {
  b: 1,
  kb: 1e3,
  mb: 1e6,
  gb: 1e9,
  tb: 1e12,
  kib: 2 ** 10,
  mib: 2 ** 20,
  gib: 2 ** 30,
  tib: 2 ** 40,
};

/** What {@link parseByteSize} accepts, for messages. */
export const BYTE_SIZE_EXPECTED = 'a size such as 16GiB, 800MiB or 12.5GB';

/** Bytes of e.g. `16GiB`, `12.5 GB`, `800mib`; undefined for anything else, and for sizes that are no whole number of bytes above 0. */
export function parseByteSize(text: string): number | undefined {
  const [, number, unit] = /^\s*(\d{1,12}(?:\.\d{1,6})?)\s*([KMGT]i?B|B)\s*$/i.exec(text) ?? [];
  if (number === undefined || unit === undefined) return undefined;
  const bytes = Math.floor(Number(number) * UNITS[unit.toLowerCase()]!);
  return Number.isSafeInteger(bytes) && bytes > 0 ? bytes : undefined;
}

/** The limit on memory that is none. */
export const NO_LIMIT = 'none';

/** What {@link parseMemoryLimit} accepts, for messages. */
export const MEMORY_LIMIT_EXPECTED = `${NO_LIMIT}, or ${BYTE_SIZE_EXPECTED}`;

/** Bytes of a limit on memory, Infinity for {@link NO_LIMIT}; undefined for anything else that is no size. */
export function parseMemoryLimit(text: string): number | undefined {
  return text === NO_LIMIT ? Infinity : parseByteSize(text);
}

/** `12.3 GiB`, `340 MiB`. */
export function formatByteSize(bytes: number): string {
  return bytes < 2 ** 30 ? `${Math.ceil(bytes / 2 ** 20)} MiB` : `${(bytes / 2 ** 30).toFixed(1)} GiB`;
}
