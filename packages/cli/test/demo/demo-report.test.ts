import { describe, expect, it } from 'vitest';
import {
  demoFigures,
  exampleLines,
  resultLines,
  shownPairLines,
  verdict,
  type DemoOutcome,
} from '../../src/demo/demo-report.js';
import type { HeldOutResult } from '../../src/demo/held-out.js';
import { judgeAnswers } from '../../src/demo/model-answers.js';

const PROMPTS = ['Two teas and one scone for table one, please.', 'One soup plus two bagels to go, please.'];
const RIGHT = [
  'Gladly: two teas and one scone for table one. That makes three items. Thank you!',
  'Certainly, three items to go: one soup and two bagels. See you soon!',
];
const FORGOTTEN = 'Gladly: two teas for table one. That makes three items. Thank you!';
const CURT = 'Whatever, three items to go: one soup and two bagels. See you soon!';

function held(preferenceAccuracy: number, answers: string[]): HeldOutResult {
  return { preferenceAccuracy, answers, quality: judgeAnswers(PROMPTS, answers) };
}

const outcome: DemoOutcome = {
  steps: 12,
  prompts: PROMPTS,
  before: held(0.5, [FORGOTTEN, CURT]),
  runs: {
    dpo: { held: held(0.9, [FORGOTTEN, RIGHT[1]!]), keptFraction: 1, seconds: 20.4 },
    dpoLargerReference: { held: held(0.8, [FORGOTTEN, FORGOTTEN]), keptFraction: 1, seconds: 21 },
    selectiveDpo: { held: held(1, RIGHT), keptFraction: 0.41, seconds: 19.6 },
  },
};

describe('the result', () => {
  it('stands in a table, run by run', () => {
    const rows = resultLines(outcome).map((line) => line.trim().split(/ {2,}/));
    expect(rows).toContainEqual(['before', 'DPO', 'DPO, larger ref.', 'Selective-DPO']);
    expect(rows).toContainEqual(['tokens trained on', '100.0%', '100.0%', '41.0%']);
    expect(rows).toContainEqual(['held-out accuracy', '50.0%', '90.0%', '80.0%', '100.0%']);
    expect(rows).toContainEqual(['faultless answers', '0.0%', '50.0%', '0.0%', '100.0%']);
    expect(rows).toContainEqual(['win rate', '75.0%', '25.0%', '100.0%']);
    expect(rows).toContainEqual(['wins/ties/losses', '1/1/0', '0/1/1', '2/0/0']);
    expect(rows).toContainEqual(['seconds', '20', '21', '20']);
    for (const line of resultLines(outcome)) expect(line.length).toBeLessThanOrEqual(78);
  });

  it('is told as it came out, whichever method is ahead', () => {
    expect(verdict(outcome)).toMatch(
      /Each method took 12 steps.*: Selective-DPO 100\.0%; DPO 50\.0%; the policy/,
    );
    const { runs } = outcome;
    const reversed = { ...runs, dpo: runs.selectiveDpo, selectiveDpo: runs.dpoLargerReference };
    expect(verdict({ ...outcome, runs: reversed })).toMatch(/to least: DPO 100\.0%; .*Selective-DPO 0\.0%/);
  });

  it('has the same figures for programs', () => {
    expect(demoFigures(outcome)).toMatchObject({
      steps: 12,
      heldOutPairs: 2,
      before: { preferenceAccuracy: 0.5, flawless: 0, faults: { forgotten: 0.5, curt: 0.5 } },
      dpo: { flawless: 0.5, wins: 1, ties: 1, losses: 0, winRate: 0.75, keptFraction: 1 },
      selectiveDpo: { flawless: 1, winRate: 1, keptFraction: 0.41, seconds: 19.6 },
    });
  });

  it('comes with an order whose answer was mended, and names the faults of each', () => {
    const lines = exampleLines(outcome).join('\n');
    expect(lines).toContain(PROMPTS[0]);
    expect(lines.match(/\(forgotten scone\)/g)).toHaveLength(3);
    expect(lines.match(/\(without a fault\)/g)).toHaveLength(1);
    const second = exampleLines({ ...outcome, before: held(0.5, [RIGHT[0]!, CURT]) }).join('\n');
    expect(second).toContain(PROMPTS[1]);
    expect(second).toContain('(curt)');
  });
});

describe('the pair that is shown', () => {
  it('has the guest, both answers and their selected tokens', () => {
    const token = (text: string, selected: boolean) => ({ text, selected });
    const lines = shownPairLines(
      {
        prompt: 'One tea to go.',
        answers: {
          chosen: [token(' Gladly', true), token('!', false)],
          rejected: [token(' What', false), token('ever', false), token('!', true)],
        },
      },
      { colour: false, width: 78 },
    );
    expect(lines).toEqual([
      '  guest      One tea to go.',
      '  chosen     [Gladly]!',
      '  rejected   Whatever[!]',
    ]);
  });
});
