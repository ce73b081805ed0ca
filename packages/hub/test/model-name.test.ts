import { describe, expect, it } from 'vitest';
import { isModelName, parseModelName } from '../src/index.js';

describe('a name on the hub', () => {
  it.each([
    ['org/name', 'org/name', 'main'],
    ['HuggingFaceTB/SmolLM2-135M', 'HuggingFaceTB/SmolLM2-135M', 'main'],
    ['_a/b_.c-1', '_a/b_.c-1', 'main'],
    ['org/name@v1.0', 'org/name', 'v1.0'],
    ['org/name@refs/pr/3', 'org/name', 'refs/pr/3'],
    [`org/name@${'a'.repeat(40)}`, 'org/name', 'a'.repeat(40)],
  ])('%s', (text, repository, revision) => {
    expect(parseModelName(text)).toEqual({ repository, revision });
    expect(isModelName(text)).toBe(true);
  });

  it.each([
    'name',
    './a/b',
    '/a/b',
    '../a',
    'a/b/c',
    'a/',
    '/a',
    '',
    'a b/c',
    'a/b--c',
    'a/..',
    '.a/b',
    'a/b.',
    'a/b.git',
    'a\\b',
    '~/a',
    `a/${'b'.repeat(97)}`,
  ])('%j is none', (text) => {
    expect(parseModelName(text)).toBeUndefined();
    expect(isModelName(text)).toBe(false);
  });

  it.each([
    '',
    '..',
    'a/../b',
    '/a',
    'a/',
    'a//b',
    '.a',
    'a.lock',
    'a b',
    'a\u0000',
    'a\\b',
    'a?b',
    'a%2fb',
    'a'.repeat(201),
  ])('has no revision %j', (revision) => {
    expect(() => parseModelName(`org/name@${revision}`)).toThrow(
      expect.objectContaining({ code: 'hub-revision' }) as Error,
    );
  });
});
