import { describe, expect, it } from 'vitest';
import { MAX_PATTERN_LENGTH, runawayPart } from '../../src/tokenization/runaway-pattern.js';

describe('patterns that may run away', () => {
  it.each([
    ['(.*)*\\d{9}$', '(.*)*'],
    ['x(?:a+)+y', '(?:a+)+'],
    ['(?:(?:a+)b?)*', '(?:(?:a+)b?)*'],
    ['((a{2,})x)+', '((a{2,})x)+'],
    ['(?:\\p{N}{1,3})+$', '(?:\\p{N}{1,3})+'],
    ['(\\s*){20}x', '(\\s*){20}'],
    ['(?<n>a*)*', '(?<n>a*)*'],
    ['((?i)a*)*', '(?i)a*)*'],
    ['(?i:a*)*', '(?i:a*)*'],
    ['(a|a)*$', '(a|a)*'],
    ['(?:\\w|\\d)+$', '(?:\\w|\\d)+'],
    ['(?:[a-z]|x)+$', '(?:[a-z]|x)+'],
    ['[^](.*)*x', '(.*)*'],
    ['[)](.*)*x', '(.*)*'],
    ['\\((.*)*x', '(.*)*'],
  ])('%s', (pattern, part) => {
    expect(runawayPart(pattern)).toBe(part);
  });

  it('and one too long to be one', () => {
    expect(runawayPart('a'.repeat(MAX_PATTERN_LENGTH))).toBeUndefined();
    expect(runawayPart('a'.repeat(MAX_PATTERN_LENGTH + 1))).toContain('characters');
    expect(runawayPart('('.repeat(MAX_PATTERN_LENGTH))).toBeUndefined();
  });
});

describe('patterns of known tokenizers', () => {
  it.each([
    ['GPT-2', "'(?:[sdmt]|ll|ve|re)| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+"],
    [
      'GPT-4, Llama 3',
      "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
    ],
    [
      'GPT-4o',
      "[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]*[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]+[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
    ],
    [
      'DeepSeek V3',
      '[!"#$%&\'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\\r\\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+| ?[\\p{P}\\p{S}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+',
    ],
    ['digits from the right', '\\p{N}{1,3}(?=(?:\\p{N}{3})*(?:\\P{N}|$))'],
    ['BLOOM', ' ?[^(\\s|[.,!?…。，、।۔،])]+'],
    ['CLIP', "'s|'t|'re|'ve|'m|'ll|'d|[\\p{L}]+|[\\p{N}]|[^\\s\\p{L}\\p{N}]+"],
    ['line ends', '(?:\\r\\n|\\n)+|(?:\\r?\\n)+| {2,}'],
  ])('%s', (_, pattern) => {
    expect(runawayPart(pattern)).toBeUndefined();
  });
});
