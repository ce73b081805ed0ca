import { describe, expect, it } from 'vitest';
import { byNearness, nearestName } from '@selective-dpo/foundation';

const KNOWN = ['learningRate', 'lrSchedule', 'keep', 'beta'] as const;

describe('nearestName', () => {
  it.each([
    ['lerningRate', 'learningRate'],
    ['learning-rate', 'learningRate'],
    ['LEARNING_RATE', 'learningRate'],
    ['kep', 'keep'],
    ['gamma', undefined],
    ['x'.repeat(100_000), undefined],
  ])('%.20s means %s', (name, meant) => {
    expect(nearestName(name, KNOWN)).toBe(meant);
  });
});

describe('byNearness', () => {
  it('sorts all names, the nearest first, and bounds the work for a long one', () => {
    expect(byNearness('betta', KNOWN)[0]).toBe('beta');
    expect([...byNearness('x'.repeat(1_000_000), KNOWN)].sort()).toEqual([...KNOWN].sort());
  });
});
