/** Tokens that hold parts of characters, in Chromium. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Browser } from 'playwright-core';
import { poorTexts } from './contrast.js';
import { madeSite } from './made-site.js';
import { quietView, startChromium, withoutChromium } from './page-browser.js';
import { servePage } from './page-server.js';

/** a, E2 82, AC, ! and an end. */
const vocabulary = {
  texts: ['a', '\uFFFD', '\uFFFD', '!', '</s>'],
  bytes: { 1: 'e282', 2: 'ac' },
  special: [4],
  sentenceEnds: [],
};
const pair = {
  ...{ promptIds: [0, 1, 2, 3], chosenIds: [0, 1, 2, 4], rejectedIds: [0, 1, 2, 0, 1, 4] },
  ...{ chosenRefLogps: [-1, -2, -3, -1], rejectedRefLogps: [-1, -2, -3, -1, -2, -1] },
};

let browser: Browser;

describe.skipIf(withoutChromium !== undefined)('parts of characters in the page', () => {
  beforeAll(async () => {
    browser = await startChromium();
  });
  afterAll(() => browser.close());

  it('are shown by their bytes in answers, and whole in texts', async () => {
    const server = await servePage(await madeSite({ pairs: [pair], vocabulary }));
    await quietView(browser, server, '#/pair/0', async (page) => {
      const tokens = page.locator('.answer.chosen .token');
      await tokens.first().waitFor();
      expect(await tokens.allInnerTexts()).toEqual(['a', '⟨E2 82⟩', '⟨AC⟩', '</s>']);
      expect(await tokens.nth(1).locator('.mark').getAttribute('title')).toContain('part of a character');
      expect(await page.locator('.prompt .prose').innerText()).toBe('a€!');
      const text = page.locator('.token-figures .text dd');
      await tokens.nth(2).hover();
      expect(await text.innerText()).toMatch(/^⟨AC⟩\s+part of\s€$/);
      await page.locator('.answer.rejected .token').nth(4).hover();
      // Nothing follows that makes it whole.
      expect(await text.innerText()).toBe('⟨E2 82⟩');
      await page.getByLabel('Difference').check();
      const difference = page.getByRole('region', { name: 'Difference of the answers' }).locator('.tokens');
      expect(await difference.locator('bdi').allInnerTexts()).toEqual(['a', '€', 'a', '⟨E2 82⟩', '</s>']);
      expect((await page.evaluate(poorTexts)).poor).toEqual([]);
    });
    await quietView(browser, server, '#/pairs?text=%E2%82%AC', async (page) => {
      await page.getByText('All pairs were read.').waitFor();
      expect(await page.locator('.row .said').innerText()).toBe('prompt: a€!');
    });
    await server.close();
  });
});
