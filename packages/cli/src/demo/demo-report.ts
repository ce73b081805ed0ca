/** The demo's outcome in figures and in words. Everything here is a pure function of what was measured. */
import { renderAnswerTokens, type PairStyle } from './coloured-pair.js';
import { DEMO_RUNS, type DemoRun } from './demo-settings.js';
import { describeFaults, type HeldOutResult } from './held-out.js';
import { percent, renderTable, type TableRow } from './result-table.js';
import type { ShownPair } from './shown-pair.js';
import { winRate } from './win-rate.js';

/** The methods as the table heads them. */
export const RUN_NAMES: Record<DemoRun, string> = {
  dpo: 'DPO',
  dpoLargerReference: 'DPO, larger ref.',
  selectiveDpo: 'Selective-DPO',
};

/** What one run took and gave. */
export interface RunOutcome {
  held: HeldOutResult;
  /** Share of the response tokens that the last step's loss was computed on, 0 … 1. */
  keptFraction: number;
  seconds: number;
}

export interface DemoOutcome {
  steps: number;
  prompts: readonly string[];
  /** The policy as it was before. */
  before: HeldOutResult;
  runs: Record<DemoRun, RunOutcome>;
}

/** Figures for programs: shares in 0 … 1, seconds. */
export function demoFigures({ steps, prompts, before, runs }: DemoOutcome): object {
  const held = ({ preferenceAccuracy, quality }: HeldOutResult): object => ({
    preferenceAccuracy,
    flawless: quality.flawless,
    meanScore: quality.meanScore,
    faults: Object.fromEntries(quality.faults),
  });
  const run = ({ held: result, keptFraction, seconds }: RunOutcome): object => ({
    ...held(result),
    ...winRate(before.quality.scores, result.quality.scores),
    keptFraction,
    seconds,
  });
  return {
    steps,
    heldOutPairs: prompts.length,
    before: held(before),
    ...Object.fromEntries(DEMO_RUNS.map((name) => [name, run(runs[name])])),
  };
}

/** The table of results. */
export function resultLines({ before, runs }: DemoOutcome): string[] {
  const ordered = DEMO_RUNS.map((name) => runs[name]);
  const each = (label: string, figure: (held: HeldOutResult) => string): TableRow => [
    label,
    figure(before),
    ...ordered.map(({ held }) => figure(held)),
  ];
  const against = ordered.map(({ held }) => winRate(before.quality.scores, held.quality.scores));
  return renderTable([
    ['', 'before', ...DEMO_RUNS.map((name) => RUN_NAMES[name])],
    ['tokens trained on', '', ...ordered.map(({ keptFraction }) => percent(keptFraction))],
    each('held-out accuracy', ({ preferenceAccuracy }) => percent(preferenceAccuracy)),
    each('faultless answers', ({ quality }) => percent(quality.flawless)),
    each("judge's score", ({ quality }) => quality.meanScore.toFixed(3)),
    ['win rate', '', ...against.map((result) => percent(result.winRate))],
    ['wins/ties/losses', '', ...against.map(({ wins, ties, losses }) => `${wins}/${ties}/${losses}`)],
    ['seconds', '', ...ordered.map(({ seconds }) => seconds.toFixed(0))],
  ]);
}

/** What stands in the table, in words, whichever came out ahead. */
export function verdict({ steps, before, runs }: DemoOutcome): string {
  const ranked = [
    { name: 'the policy as it was before', flawless: before.quality.flawless },
    ...DEMO_RUNS.map((name) => ({ name: RUN_NAMES[name], flawless: runs[name].held.quality.flawless })),
  ].sort((a, b) => b.flawless - a.flawless);
  return (
    `Each method took ${steps} steps on the same pairs in the same order, at the learning rate and beta that served it ` +
    `best of those tried. Faultless answers, from most to least: ` +
    `${ranked.map(({ name, flawless }) => `${name} ${percent(flawless)}`).join('; ')}.`
  );
}

/** A pair with its selected tokens set off. */
export function shownPairLines({ prompt, answers }: ShownPair, style: PairStyle): string[] {
  return [
    `  guest      ${prompt}`,
    ...(['chosen', 'rejected'] as const).flatMap((side) => {
      const [first = '', ...rest] = renderAnswerTokens(answers[side], side, style, 13);
      return [`  ${side.padEnd(11)}${first.trimStart()}`, ...rest];
    }),
  ];
}

/** One order with the answers of all: the first that was answered wrongly before and rightly afterwards. */
export function exampleLines({ prompts, before, runs }: DemoOutcome): string[] {
  const fault = (held: HeldOutResult, i: number): boolean => held.quality.scores[i]! < 1;
  const mended = prompts.findIndex((_, i) => fault(before, i) && !fault(runs.selectiveDpo.held, i));
  const at = Math.max(0, mended);
  const answer = (label: string, held: HeldOutResult): string[] => [
    `  ${label.padEnd(18)}${held.answers[at]!}`,
    `${' '.repeat(20)}(${describeFaults(prompts[at]!, held.answers[at]!)})`,
  ];
  return [
    `  ${'guest'.padEnd(18)}${prompts[at]!}`,
    ...answer('before', before),
    ...DEMO_RUNS.flatMap((name) => answer(RUN_NAMES[name], runs[name].held)),
  ];
}
