/** The trainer's selection for one pair, or a few, with settings of the page. */
import { mixSeeds } from '@selective-dpo/foundation/random';
import {
  selectTokens,
  SELECTION_RULES,
  type SelectionOptions,
  type SelectionRule,
} from '@selective-dpo/trainer/selection';
import type { PairContent } from '../data/pair-content.js';

export { SELECTION_RULES, type SelectionRule };

export interface SelectionSettings extends SelectionOptions {
  /** `seed` of the run, and the optimiser step (from 1 on), which the draw of `random` depends on. */
  seed: number;
  step: number;
}

/** The trainer's defaults. */
export const DEFAULT_SETTINGS: SelectionSettings = {
  ...{ rule: 'quantile', keep: 0.4, spanUnit: 'window', spanWindow: 5 },
  ...{ seed: 0, step: 1 },
};

/** Rules that need no log-probs of a policy. */
const WITHOUT_POLICY: readonly SelectionRule[] = ['random', 'all'];

/** Whether a rule can be applied. */
export function canSelect(rule: SelectionRule, hasPolicy: boolean): boolean {
  return hasPolicy || WITHOUT_POLICY.includes(rule);
}

/** Log-probs of the policy in nats: chosen [C], rejected [R]. */
export interface PolicyLogps {
  chosen: Float32Array;
  rejected: Float32Array;
}

export interface KeptTokens {
  /** 1 for kept tokens: [C], [R]. */
  chosen: Uint8Array;
  rejected: Uint8Array;
  /** Where scores were cut; NaN where the rule has no threshold. */
  chosenThreshold: number;
  rejectedThreshold: number;
}

/**
 * The tokens that the trainer would keep of a pair (arXiv 2507.07725, step 2). A rule that looks at a whole batch sees a batch of
 * this one pair.
 * @returns undefined where the rule needs a policy and there is none.
 */
export function reselect(
  pair: PairContent,
  policy: PolicyLogps | undefined,
  settings: SelectionSettings,
  endsSentence: (id: number) => boolean,
): KeptTokens | undefined {
  if (!canSelect(settings.rule, policy !== undefined)) return undefined;
  const { chosen, rejected } = policy ?? { chosen: pair.chosenRefLogps, rejected: pair.rejectedRefLogps };
  const logps = {
    ...{ policyChosen: chosen, policyRejected: rejected },
    ...{ refChosen: pair.chosenRefLogps, refRejected: pair.rejectedRefLogps },
  };
  const seed = mixSeeds(mixSeeds(settings.seed, settings.step), pair.pairIndex);
  const { chosenIds, rejectedIds } = pair;
  return selectTokens([{ logps, chosenIds, rejectedIds, seed }], settings, endsSentence)[0]!;
}
