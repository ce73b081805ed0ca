import { describe, expect, it } from 'vitest';
import { fillTemplate, namesIn } from '../src/judge/prompt-template.js';
import { retryAfter, retryDelay } from '@selective-dpo/foundation';
import { VERDICTS, pointsOfA, ratingOf, verdictOf } from '../src/judge/verdict.js';

describe('verdictOf', () => {
  it.each([
    ...VERDICTS.map((verdict) => [`so [[${verdict}]]`, verdict]),
    ['[[a>b]]', 'A>B'],
    ['first [[A>B]], but then: [[B>>A]].', 'B>>A'],
    ['My verdict: [A=B]', 'A=B'],
    ['[[B<<A]]', 'A>>B'],
    ['[[A<B]]', 'B>A'],
    ['[A>B] and at last [[B>A]] or [A=B]', 'B>A'],
  ])('reads %s as %s', (text, verdict) => {
    expect(verdictOf(text)).toBe(verdict);
  });

  it.each([
    ...['', 'a tie', '[[A]]', '[[C]]', '[[A>>>B]]', '[[A>A]]', '[[AB]]', 'A>B', '[[A > B]]', '[[=]]'],
    ...['[[<<<<]]', '[[A==B]]', '[[constructor]]', '{"winner":"A"}', '[['.repeat(100_000)],
  ])('finds no verdict in %.30s, and no tie', (text) => {
    expect(verdictOf(text)).toBeUndefined();
  });

  it('gives points that swap with the places', () => {
    const swapped = { 'A>>B': 'B>>A', 'A>B': 'B>A', 'A=B': 'A=B', 'B>A': 'A>B', 'B>>A': 'A>>B' } as const;
    for (const verdict of VERDICTS) {
      const { points, weight } = pointsOfA(verdict);
      expect(pointsOfA(swapped[verdict])).toEqual({ points: weight - points, weight });
    }
    expect(pointsOfA('A>>B')).toEqual({ points: 3, weight: 3 });
  });
});

describe('ratingOf', () => {
  it.each([
    ['Rating: [[5]]', 5],
    ['[[7.5]] and [[2]]', 7.5],
    ['[10]', 10],
    ['[3] but rather [[8]]', 8],
  ])('reads %s as %d', (text, rating) => {
    expect(ratingOf(text)).toBe(rating);
  });

  it.each([
    '',
    '5',
    '[[0]]',
    '[[11]]',
    '[[NaN]]',
    '[[-3]]',
    '[[1e1]]',
    '[[ten]]',
    '[[5/10]]',
    '[[999999999999]]',
  ])('finds no rating in %s', (text) => {
    expect(ratingOf(text)).toBeUndefined();
  });
});

describe('fillTemplate', () => {
  it('fills in one pass: what a text contains is never read as a mark', () => {
    const filled = fillTemplate('{{x}} {a} {b} {a}', { a: '{b} {{ $& }}', b: '{a}' });
    expect(filled).toBe('{x} {b} {{ $& }} {a} {b} {{ $& }}');
    expect(namesIn('{{x}} {a} {b} {a}')).toEqual(['a', 'b', 'a']);
  });

  it('refuses a name without a text', () => {
    for (const template of ['{c}', '{}', '{constructor}']) {
      expect(() => fillTemplate(template, { a: 'x' })).toThrow(RangeError);
    }
  });
});

describe('retryDelay', () => {
  it('grows, is spread out, has an end, and is never shorter than asked for', () => {
    expect([0, 1, 2, 3].map((attempt) => retryDelay(attempt, undefined, 1))).toEqual([500, 1000, 2000, 4000]);
    expect(retryDelay(3, undefined, 0.25)).toBe(1000);
    expect(retryDelay(90, undefined, 1)).toBe(60_000);
    expect(retryDelay(0, 7000, 0.5)).toBe(7000);
    expect(retryDelay(0, 1e12, 0.5)).toBe(300_000);
  });

  it('reads both forms of Retry-After, and nothing else', () => {
    const now = Date.parse('2030-01-01T00:00:00Z');
    expect(retryAfter('12', now)).toBe(12_000);
    expect(retryAfter('Tue, 01 Jan 2030 00:00:05 GMT', now)).toBe(5000);
    expect(retryAfter('Mon, 31 Dec 2029 23:00:00 GMT', now)).toBe(0);
    for (const header of [null, '', 'soon', '-5', '1.5', '1e9'])
      expect(retryAfter(header, now)).toBeUndefined();
  });
});
