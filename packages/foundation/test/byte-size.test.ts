import { describe, expect, it } from 'vitest';
import { formatByteSize, parseByteSize, parseMemoryLimit } from '../src/index.js';

describe('sizes of memory', () => {
  it.each([
    ['16GiB', 16 * 2 ** 30],
    ['12.5 GB', 12.5e9],
    ['800mib', 800 * 2 ** 20],
    ['1B', 1],
    ['2 TiB', 2 ** 41],
  ])('%s is %i bytes', (text, bytes) => expect(parseByteSize(text)).toBe(bytes));

  it.each(['', '16', 'GiB', '-1GiB', '1e9B', '0B', '0.0001B', '1 GiBB', '99999999999TB', '1..5GB'])(
    '%j is none',
    (text) => expect(parseByteSize(text)).toBeUndefined(),
  );

  it('are limits on memory, and so is none', () => {
    expect(parseMemoryLimit('none')).toBe(Infinity);
    expect(parseMemoryLimit('16GiB')).toBe(16 * 2 ** 30);
    for (const text of ['', '16', 'None', 'nothing']) expect(parseMemoryLimit(text)).toBeUndefined();
  });

  it('are written with a unit', () => {
    expect(formatByteSize(12.34 * 2 ** 30)).toBe('12.3 GiB');
    expect(formatByteSize(340 * 2 ** 20)).toBe('340 MiB');
  });
});
