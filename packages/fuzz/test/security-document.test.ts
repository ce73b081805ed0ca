/** Every test that SECURITY.md names is there. */
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { targets } from '../src/targets/index.js';

const root = new URL('../../../', import.meta.url);
const document = readFileSync(new URL('SECURITY.md', root), 'utf8');

interface Named {
  file: string;
  name: string;
}

/** Rows whose last cell is a file and the name, or a part of it, of a test in it. */
function namedTests(text: string): Named[] {
  return [...text.matchAll(/\| `(packages\/[^`]+\.test\.ts)`: (.+?) +\|$/gm)].map(([, file, name]) => ({
    file: file!,
    name: name!,
  }));
}

/** Names stand in the file as they are, between quotes. */
function isThere({ file, name }: Named): boolean {
  const path = fileURLToPath(new URL(file, root));
  return existsSync(path) && readFileSync(path, 'utf8').includes(name);
}

describe('SECURITY.md', () => {
  it('names tests that are there', () => {
    const named = namedTests(document);
    expect(named.length).toBeGreaterThan(20);
    expect(named.filter((one) => !isThere(one))).toEqual([]);
    // Every row with a file of tests in it has been read as one.
    expect(document.match(/^\|.*\.test\.ts`/gm)).toHaveLength(named.length);
  });

  it('would not, if one were missing (control)', () => {
    const file = 'packages/fuzz/test/security-document.test.ts';
    expect(isThere({ file, name: `no test ${'has this name'}` })).toBe(false);
    expect(isThere({ file: 'packages/fuzz/test/none.test.ts', name: 'x' })).toBe(false);
    expect(isThere({ file, name: 'names tests that are there' })).toBe(true);
  });

  it('states the limits on memory that the parsers are held to', () => {
    const limits = [...document.matchAll(/^\| [^|]+\| +(\d+) \|/gm)].map(([, limit]) => Number(limit));
    expect(new Set(limits)).toEqual(new Set(targets.map(({ memoryMiB }) => memoryMiB)));
  });

  it('is short, and linked from where people look', () => {
    expect(document.split('\n').length).toBeLessThan(135);
    for (const file of ['README.md', 'CONTRIBUTING.md']) {
      expect(readFileSync(new URL(file, root), 'utf8')).toContain('(SECURITY.md)');
    }
  });
});
