/** The demo's outcome in figures and in words. Everything here is a pure function of what was measured. */
import { renderAnswerTokens, type PairStyle } from './coloured-pair.js';
import type { DemoRun } from './demo-settings.js';
import { describeFaults, type HeldOutResult } from './held-out.js';
import { percent, renderTable, type TableRow } from './result-table.js';
import type { ShownPair } from './shown-pair.js';
import { winRate } from './win-rate.js';

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
    dpo: run(runs.dpo),
    selectiveDpo: run(runs.selectiveDpo),
  };
}

/** The table of results. */
export function resultLines({ before, runs }: DemoOutcome): string[] {
  const ordered = [runs.dpo, runs.selectiveDpo];
  const each = (label: string, figure: (held: HeldOutResult) => string): TableRow => [
    label,
    figure(before),
    ...ordered.map(({ held }) => figure(held)),
  ];
  const against = ordered.map(({ held }) => winRate(before.quality.scores, held.quality.scores));
  return renderTable([
    ['', 'before', 'plain DPO', 'Selective-DPO'],
    ['answer tokens trained on', '', ...ordered.map(({ keptFraction }) => percent(keptFraction))],
    each('held-out preference accuracy', ({ preferenceAccuracy }) => percent(preferenceAccuracy)),
    each('answers without a fault', ({ quality }) => percent(quality.flawless)),
    each("judge's mean score (1 is best)", ({ quality }) => quality.meanScore.toFixed(3)),
    ['win rate against before', '', ...against.map((result) => percent(result.winRate))],
    ['wins / ties / losses', '', ...against.map(({ wins, ties, losses }) => `${wins} / ${ties} / ${losses}`)],
    ['seconds of training', '', ...ordered.map(({ seconds }) => seconds.toFixed(0))],
  ]);
}

/** What stands in the table, in one sentence, whichever came out ahead. */
export function verdict({ steps, runs }: DemoOutcome): string {
  const [plain, selective] = [runs.dpo.held.quality.flawless, runs.selectiveDpo.held.quality.flawless];
  const share = percent(runs.selectiveDpo.keptFraction);
  const after = `After ${steps} steps each, on the same pairs in the same order`;
  if (selective === plain) return `${after}, both give equally many answers without a fault.`;
  return selective > plain
    ? `${after}, training on ${share} of the tokens gives more answers without a fault than training on all.`
    : `${after}, training on all tokens gives more answers without a fault than training on ${share} of them.`;
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

/** One order with the answers of all three: the first that was answered wrongly before and rightly afterwards. */
export function exampleLines({ prompts, before, runs }: DemoOutcome): string[] {
  const fault = (held: HeldOutResult, i: number): boolean => held.quality.scores[i]! < 1;
  const mended = prompts.findIndex((_, i) => fault(before, i) && !fault(runs.selectiveDpo.held, i));
  const at = Math.max(0, mended);
  const answer = (label: string, held: HeldOutResult): string[] => [
    `  ${label.padEnd(15)}${held.answers[at]!}`,
    `${' '.repeat(17)}(${describeFaults(prompts[at]!, held.answers[at]!)})`,
  ];
  return [
    `  ${'guest'.padEnd(15)}${prompts[at]!}`,
    ...answer('before', before),
    ...answer('plain DPO', runs.dpo.held),
    ...answer('Selective-DPO', runs.selectiveDpo.held),
  ];
}
