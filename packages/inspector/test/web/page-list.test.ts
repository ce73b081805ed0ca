/** The list of pairs in Chromium: of a long prompt the end is seen, however narrow the page. */
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { madeSite, randomPairs, WORD_VOCABULARY } from './made-site.js';
import { quietView, startChromium, withoutChromium } from './page-browser.js';
import { servePage, type PageServer } from './page-server.js';

const long = `first ${'and more of it '.repeat(9)}at the very last?`;
const OPENINGS = [
  `${long} Assistant:`,
  'short? Assistant:',
  `ראשון ${'ועוד מזה '.repeat(15)}אחרון?`,
  'Assistant:',
];

/** Whether the first and the last letters of each row's text lie where they are seen. */
const endsSeen = (page: Page) =>
  page.locator('.row .said').evaluateAll((boxes) =>
    boxes.map((box) => {
      const node = document.createTreeWalker(box, NodeFilter.SHOW_TEXT).nextNode()!;
      const clip = box.getBoundingClientRect();
      const seen = (from: number, to: number) => {
        const range = document.createRange();
        range.setStart(node, from);
        range.setEnd(node, to);
        const { left, right, top, bottom } = range.getBoundingClientRect();
        return (
          left >= clip.left - 1 && right <= clip.right + 1 && top >= clip.top - 2 && bottom <= clip.bottom + 2
        );
      };
      const { length } = node.textContent!;
      return [seen(0, Math.min(5, length)), seen(Math.max(0, length - 5), length)];
    }),
  );

let browser: Browser;
let server: PageServer;

describe.skipIf(withoutChromium !== undefined)('the list of pairs in the page', () => {
  beforeAll(async () => {
    browser = await startChromium();
    const pairs = randomPairs(OPENINGS.length, 4).map((pair, i) => ({
      ...pair,
      opening: OPENINGS[i]!,
      ...(i === 0 && { duplicateOf: 0, duplicateKind: 'near' as const }),
    }));
    server = await servePage(await madeSite({ pairs, vocabulary: WORD_VOCABULARY }));
  });
  afterAll(async () => {
    await browser.close();
    await server.close();
  });

  it.each([1280, 900, 400, 330])('shows the end of every prompt at %i pixels', (width) =>
    quietView(
      browser,
      server,
      '#/pairs',
      async (page) => {
        await page.locator('.row .said').nth(3).waitFor();
        const seen = await endsSeen(page);
        expect(seen.map(([, end]) => end)).toEqual([true, true, true, true]);
        // What is short is seen whole; on a telephone the beginning of what is long is not.
        expect(seen[1]).toEqual([true, true]);
        if (width <= 400) expect([seen[0]![0], seen[2]![0]]).toEqual([false, false]);
        const texts = await page.locator('.row .said').allInnerTexts();
        expect(texts.slice(0, 2)).toEqual([long, 'short?']);
        expect(texts[3]).toBe('Assistant:');
        const [left, box] = await page
          .locator('.row .said')
          .nth(1)
          .evaluate((one) => [
            one.firstElementChild!.getBoundingClientRect().left,
            one.getBoundingClientRect().left,
          ]);
        expect(left! - box!).toBeLessThan(1);
      },
      { viewport: { width, height: 800 } },
    ),
  );
});
