/** How tokens are tinted and selected. */
import { useId } from 'preact/hooks';
import type { PolicyDescription } from '../../src/site-contract.js';
import { settings, showDifference, tint } from '../selection/page-settings.js';
import {
  canSelect,
  SELECTION_RULES,
  type SelectionRule,
  type SelectionSettings,
} from '../selection/reselect.js';
import { TINTS, type Tint } from '../text/tint.js';
import { Choice, NumberField } from './choice.js';
import { useSignalValue } from './signal-value.js';

const TINT_WORDS: Readonly<Record<Tint, string>> = {
  none: 'nothing',
  reference: 'log-prob, reference',
  policy: 'log-prob, policy',
  score: 'alignment score',
};
const RULE_WORDS: Readonly<Record<SelectionRule, string>> = {
  quantile: 'quantile (the method)',
  'top-k': 'top-k',
  batch: 'batch of this pair',
  random: 'random',
  confidence: 'confidence',
  all: 'all (plain DPO)',
  span: 'span',
};

interface ControlsProps {
  policies: readonly PolicyDescription[];
  policy: string | undefined;
  onPolicy: (name: string) => void;
  /** Whether this pair has log-probs of the policy. */
  hasPolicy: boolean;
  /** Leaves out what is about one pair. */
  onlySelection?: boolean;
}

/** The tint that can be shown. */
export function possibleTint(wanted: Tint, hasPolicy: boolean): Tint {
  return hasPolicy || wanted === 'none' ? wanted : 'reference';
}

export function SelectionControls({
  policies,
  policy,
  onPolicy,
  hasPolicy,
  onlySelection = false,
}: ControlsProps) {
  const chosen = useSignalValue(settings);
  const tinted = useSignalValue(tint);
  const difference = useSignalValue(showDifference);
  const tints = TINTS.filter((one) => hasPolicy || one === 'none' || one === 'reference');
  return (
    <form class="bar controls" aria-label="Tint and selection" onSubmit={(event) => event.preventDefault()}>
      {!onlySelection && (
        <Choice
          label="Tint by"
          value={possibleTint(tinted, hasPolicy)}
          options={tints.map((one) => [one, TINT_WORDS[one]] as const)}
          onChoose={(value) => (tint.value = value)}
        />
      )}
      {policies.length > 0 && (
        <Choice
          label="Policy"
          value={policy ?? ''}
          options={policies.map(({ name }) => [name, name] as const)}
          onChoose={onPolicy}
        />
      )}
      <Choice
        label="Selection rule"
        value={chosen.rule}
        options={SELECTION_RULES.map((rule) => [
          rule,
          RULE_WORDS[rule] + (canSelect(rule, hasPolicy) ? '' : ' – needs a policy'),
        ])}
        onChoose={(rule) => (settings.value = { ...chosen, rule })}
      />
      {chosen.rule !== 'all' && <KeepSlider chosen={chosen} />}
      <RuleOptions chosen={chosen} />
      {!onlySelection && (
        <label class="field check">
          <input
            type="checkbox"
            checked={difference}
            onChange={(event) => (showDifference.value = event.currentTarget.checked)}
          />
          Difference
        </label>
      )}
    </form>
  );
}

function KeepSlider({ chosen }: { chosen: SelectionSettings }) {
  const id = useId();
  const text = `${Math.round(100 * chosen.keep)}%`;
  return (
    <span class="field keep">
      <label for={id}>
        k, share of tokens to keep: <output for={id}>{text}</output>
      </label>
      <input
        id={id}
        type="range"
        min="1"
        max="100"
        step="1"
        value={Math.round(100 * chosen.keep)}
        aria-valuetext={text}
        onInput={(event) => (settings.value = { ...chosen, keep: event.currentTarget.valueAsNumber / 100 })}
      />
    </span>
  );
}

function RuleOptions({ chosen }: { chosen: SelectionSettings }) {
  const set = (part: Partial<SelectionSettings>) => (settings.value = { ...chosen, ...part });
  const whole = (value: number | undefined, least: number) => Math.max(least, Math.floor(value ?? least));
  if (chosen.rule === 'random')
    return (
      <>
        <NumberField
          label="Seed"
          value={chosen.seed}
          min={0}
          step={1}
          onChange={(seed) => set({ seed: whole(seed, 0) })}
        />
        <NumberField
          label="Step"
          value={chosen.step}
          min={1}
          step={1}
          onChange={(step) => set({ step: whole(step, 1) })}
        />
      </>
    );
  if (chosen.rule !== 'span') return null;
  return (
    <>
      <Choice
        label="Averaged over"
        value={chosen.spanUnit}
        options={[
          ['window', 'a window'],
          ['sentence', 'the sentence'],
        ]}
        onChoose={(spanUnit) => set({ spanUnit })}
      />
      {chosen.spanUnit === 'window' && (
        <NumberField
          label="Window, tokens"
          value={chosen.spanWindow}
          min={1}
          step={2}
          onChange={(window) => set({ spanWindow: 2 * Math.floor(whole(window, 1) / 2) + 1 })}
        />
      )}
    </>
  );
}
