import { describe, expect, it } from 'vitest';
import { AdaptiveLimit } from '../src/server/adaptive-limit.js';

describe('requests at one time', () => {
  it('grow by about one a round of answers, up to the most', () => {
    const limit = new AdaptiveLimit(6, 4);
    for (let i = 0; i < 5; i++) limit.answered();
    expect(limit.current).toBe(5);
    for (let i = 0; i < 50; i++) limit.answered();
    expect(limit.current).toBe(6);
  });

  it('are halved once by requests that fail together, and are never less than one', () => {
    const limit = new AdaptiveLimit(64, 32);
    const { round } = limit;
    for (let i = 0; i < 10; i++) limit.overloaded(round);
    expect(limit.current).toBe(16);
    for (let i = 0; i < 10; i++) limit.overloaded(limit.round);
    expect(limit.current).toBe(1);
  });
});
