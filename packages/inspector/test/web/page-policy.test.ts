/** The policy beside the reference in Chromium. */
import { splitRows } from '@selective-dpo/data';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { heldOutPairs } from '../../web/pairs/held-out.js';
import { madeSite, movedLogps, randomPairs, WORD_VOCABULARY } from './made-site.js';
import { quietView, startChromium, withoutChromium } from './page-browser.js';
import { servePage } from './page-server.js';

const [ROWS, SHARE, SEED] = [700, 0.3, 11];
const pairs = randomPairs(ROWS, 8, 12);
const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);

const site = (inSample: (pair: number) => boolean, config: Record<string, unknown>) =>
  madeSite({
    ...{ pairs, vocabulary: WORD_VOCABULARY, config },
    policies: [
      { name: 'initial', step: 0, logps: movedLogps(pairs, 1, 0.1, inSample) },
      { name: 'step-10', step: 10, logps: movedLogps(pairs, 2, 1, inSample) },
      { name: 'final', step: 20, logps: movedLogps(pairs, 3, 2, inSample) },
    ],
  });

let browser: Browser;

/** Value and note of a figure. */
const fact = async (page: Page, name: string) => {
  const found = page.locator(`.fact:has(dt:text-is("${name}")) dd`);
  return (await found.count()) === 0 ? undefined : (await found.innerText()).replaceAll(/\s/g, ' ');
};

/** Share of pairs whose chosen answer gained more over the reference, as the page writes it. */
function accuracyOf(
  logps: ReadonlyMap<number, readonly [number[], number[]]>,
  among: (pair: number) => boolean,
): string {
  const own = [...logps].slice(0, 256).filter(([pair]) => among(pair));
  const right = own.filter(([pair, [chosen, rejected]]) => {
    const { chosenRefLogps, rejectedRefLogps } = pairs[pair]!;
    return sum(chosen) - sum(chosenRefLogps) - (sum(rejected) - sum(rejectedRefLogps)) > 0;
  });
  return `${((100 * right.length) / own.length).toFixed(1)}% of ${own.length} pairs: chosen gained more over the reference`;
}

it('held-out pairs are those of the trainer', () => {
  const expected = [...splitRows(ROWS, SHARE, SEED).eval];
  expect([...heldOutPairs(ROWS, { evalFraction: SHARE, seed: SEED })!]).toEqual(expected);
  expect([...heldOutPairs(ROWS, { evalFraction: SHARE, seed: SEED + 1 })!]).not.toEqual(expected);
  expect(heldOutPairs(ROWS, { evalFraction: 0, seed: 1 })!.size).toBe(0);
  for (const odd of [
    {},
    { evalFraction: 1, seed: 1 },
    { evalFraction: 'x', seed: 1 },
    { evalFraction: 0.1, seed: 0.5 },
  ])
    expect(heldOutPairs(ROWS, odd)).toBeUndefined();
});

describe.skipIf(withoutChromium !== undefined)('the policy in the page', () => {
  beforeAll(async () => {
    browser = await startChromium();
  });
  afterAll(() => browser.close());

  it('has the accuracy of held-out and of training pairs apart, and says what is a sample of what', async () => {
    const inSample = (pair: number) => pair % 2 === 0;
    const server = await servePage(await site(inSample, { evalFraction: SHARE, seed: SEED, keep: 0.4 }));
    await quietView(browser, server, '#/policy', async (page) => {
      await page.getByText('Jaccard similarity').waitFor();
      const held = new Set(splitRows(ROWS, SHARE, SEED).eval);
      const final = movedLogps(pairs, 3, 2, inSample);
      expect(await fact(page, 'Rewards accuracy, held out')).toBe(
        accuracyOf(final, (pair) => held.has(pair)),
      );
      expect(await fact(page, 'Rewards accuracy, training')).toBe(
        accuracyOf(final, (pair) => !held.has(pair)),
      );
      expect(await fact(page, 'Rewards accuracy')).toBeUndefined();
      expect(await fact(page, 'Pairs compared')).toBe(
        '256 the first of 350 that were scored, a sample of 700 in the cache',
      );
      // One of a hundred tokens lies beyond the axes.
      expect(await page.locator('svg.plot').first().textContent()).toMatch(/\d+ of them lie below −\d+/);
      // It opens on the least trained and the most.
      expect(await page.getByLabel('Compared with').inputValue()).toBe('initial');
      await page.getByLabel('Checkpoint').selectOption('initial');
      await expect.poll(() => page.getByLabel('Compared with').inputValue()).toBe('final');
    });
    await server.close();
  });

  it('without a held-out share has one accuracy, and says what is not known', async () => {
    const all = await servePage(
      await site((pair) => pair < 100, { evalFraction: 0, seed: SEED, refTrust: 'drop' }),
    );
    await quietView(browser, all, '#/policy', async (page) => {
      await page.getByText('Jaccard similarity').waitFor();
      expect(await fact(page, 'Rewards accuracy, held out')).toBeUndefined();
      expect(await fact(page, 'Rewards accuracy, training')).toMatch(
        /of 100 pairs: .*; those that refTrust dropped are among them$/,
      );
      expect(await fact(page, 'Pairs compared')).toBe(
        '100 all that were scored: a sample of 700 in the cache',
      );
    });
    await all.close();
    const unknown = await servePage(await site((pair) => pair < 100, {}));
    await quietView(browser, unknown, '#/policy', async (page) => {
      await page.getByText('Jaccard similarity').waitFor();
      expect(await fact(page, 'Rewards accuracy')).toMatch(
        /of 100 pairs: .*; which were held out is not known$/,
      );
    });
    await unknown.close();
  });
});
