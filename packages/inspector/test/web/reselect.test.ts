import { mixSeeds, SeededRandom } from '@selective-dpo/foundation';
import { selectTokens, SELECTION_RULES } from '@selective-dpo/trainer/selection';
import { describe, expect, it } from 'vitest';
import type { PairContent } from '../../web/data/pair-content.js';
import { canSelect, DEFAULT_SETTINGS, reselect } from '../../web/selection/reselect.js';
import { addMovements, jaccard, movementOf } from '../../web/selection/selection-movement.js';
import { answersOf, keptCount } from '../../web/text/pair-tokens.js';

const random = new SeededRandom(5);
const logps = (n: number) => Float32Array.from({ length: n }, () => Math.log(1 - 0.99 * random.next()));
const ids = (n: number) => Int32Array.from({ length: n }, () => random.below(20));

function randomPair(pairIndex: number) {
  const [c, r] = [1 + random.below(60), 1 + random.below(60)];
  const pair: PairContent = {
    ...{ pairIndex, pairId: 'p', sourceRow: 0, promptIds: ids(4), chosenIds: ids(c), rejectedIds: ids(r) },
    ...{ chosenRefLogps: logps(c), rejectedRefLogps: logps(r) },
  };
  return { pair, policy: { chosen: logps(c), rejected: logps(r) } };
}

describe('selecting anew', () => {
  it('keeps the tokens that the trainer keeps, by every rule and share', () => {
    for (const rule of SELECTION_RULES) {
      for (let trial = 0; trial < 60; trial++) {
        const { pair, policy } = randomPair(trial * 17);
        const settings = {
          ...{
            rule,
            keep: (1 + random.below(100)) / 100,
            seed: random.below(1000),
            step: 1 + random.below(50),
          },
          ...{ spanUnit: trial % 2 === 0 ? ('window' as const) : ('sentence' as const), spanWindow: 3 },
        };
        const ends = (id: number) => id < 4;
        // As step/selective-step.ts and config/objective.ts do it.
        const seed = mixSeeds(mixSeeds(settings.seed, settings.step), pair.pairIndex);
        const input = {
          ...{ chosenIds: pair.chosenIds, rejectedIds: pair.rejectedIds, seed },
          logps: {
            ...{ policyChosen: policy.chosen, policyRejected: policy.rejected },
            ...{ refChosen: pair.chosenRefLogps, refRejected: pair.rejectedRefLogps },
          },
        };
        expect(reselect(pair, policy, settings, ends)).toEqual(selectTokens([input], settings, ends)[0]);
      }
    }
  });

  it('depends on seed, step and place for the rule random alone', () => {
    const { pair, policy } = randomPair(3);
    const long = { ...pair, chosenIds: ids(60), chosenRefLogps: logps(60) };
    const own = { ...policy, chosen: logps(60) };
    const kept = (rule: 'random' | 'quantile', seed: number, step = 1) =>
      reselect(long, own, { ...DEFAULT_SETTINGS, rule, seed, step }, () => false)!.chosen.join('');
    expect(kept('random', 1)).not.toBe(kept('random', 1, 2));
    expect(kept('quantile', 1)).toBe(kept('quantile', 2, 2));
    expect(kept('random', 1)).not.toBe(kept('random', 2));
    expect(kept('random', 1)).toBe(kept('random', 1));
  });

  it('without a policy applies the rules that need none, and no other', () => {
    const { pair } = randomPair(1);
    for (const rule of SELECTION_RULES) {
      const kept = reselect(pair, undefined, { ...DEFAULT_SETTINGS, rule }, () => false);
      expect(kept !== undefined, rule).toBe(rule === 'random' || rule === 'all');
      expect(canSelect(rule, true)).toBe(true);
    }
  });

  it('has scores with the sign of the side', () => {
    const { pair, policy } = randomPair(2);
    const { chosen, rejected } = answersOf(pair, policy);
    expect(chosen.scores![0]).toBe(pair.chosenRefLogps[0]! - policy.chosen[0]!);
    expect(rejected.scores![0]).toBe(policy.rejected[0]! - pair.rejectedRefLogps[0]!);
    expect(answersOf(pair, undefined).chosen.scores).toBeUndefined();
  });
});

describe('the movement of a selection', () => {
  const kept = (chosen: number[], rejected: number[]) => ({
    ...{
      chosen: Uint8Array.from(chosen),
      rejected: Uint8Array.from(rejected),
      chosenThreshold: 0,
      rejectedThreshold: 0,
    },
  });

  it('counts tokens that stayed, entered and left', () => {
    const movement = movementOf(kept([1, 1, 0, 0], [1]), kept([1, 0, 1, 0], [1]));
    expect(movement).toEqual({ stayed: 2, entered: 1, left: 1 });
    expect(jaccard(movement)).toBe(0.5);
    expect(addMovements([movement, movement]).stayed).toBe(4);
    expect(keptCount(kept([1, 1, 0], []), 'chosen')).toBe(2);
  });

  it('has similarity 1 for selections that are both empty', () => {
    expect(jaccard({ stayed: 0, entered: 0, left: 0 })).toBe(1);
  });
});
